"""Behind the scenes of the demo: what the gateway was asked, what is on disk, a clock
that can be moved on and a gateway that can be broken.

All of it is there with DEBUG and the built-in simulator, and otherwise is a 404.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from functools import wraps
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from demo_shop import story
from nexi_payments import flows
from nexi_payments.models import PaymentOrder, database
from nexi_payments.simulator import FAULTS, Simulator
from nexi_payments.testing import rehearsal

View = Callable[..., HttpResponse]
_DAY: Final = timedelta(days=1)
#: Without a payment to expire: as long as a shopper has, and a little.
_A_WHILE: Final = timedelta(minutes=31)


def simulator() -> Simulator | None:
    """The simulator behind the scenes; ``None`` where there is nothing to look at."""
    found = rehearsal.simulator_of("default") if settings.DEBUG else None
    if found is not None:
        found.keep_bodies()
    return found


def context(request: HttpRequest) -> dict[str, Any]:
    """``backstage`` for the templates: nothing is looked up unless a page asks."""
    return {"backstage": SimpleLazyObject(lambda: _facts(request))}


def _facts(request: HttpRequest) -> dict[str, Any]:
    gateway = simulator()
    if gateway is None or not hasattr(request, "session"):
        return {}
    payment = story.payment_of(request)
    known = payment is not None and rehearsal.simulator_of(payment.terminal)
    fault = gateway.weather.fault
    return {
        "story": story.tell(payment, gateway) if payment and known else None,
        "fault": fault.name if fault else "",
        "now": timezone.now(),
        "moved": bool(rehearsal.CLOCK.ahead),
        "said": _said_about(request, payment),
        "here": request.get_full_path(),
        "toured": request.session.get("toured", False),
    }


def _said_about(request: HttpRequest, payment: PaymentOrder | None) -> str:
    """What a button has done, until another payment is shown."""
    said, about = request.session.get("backstage", ("", None))
    return str(said) if about == (payment.pk if payment else None) else ""


def backstage(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if simulator() is None:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@backstage
@never_cache
@require_safe
def panel(request: HttpRequest) -> HttpResponse:
    """The part of the panel that changes; 304 while it has not."""
    response = render(request, "demo_shop/story.html")
    tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified()
    response["ETag"] = tag
    return response


@backstage
@require_POST
def break_gateway(request: HttpRequest) -> HttpResponse:
    """``fault`` is one of ``FAULTS``, or "" for: all well again."""
    gateway, fault = simulator(), request.POST.get("fault", "")
    if gateway is None or (fault and fault not in FAULTS):
        raise Http404
    gateway.weather.switch(fault, once=request.POST.get("how") == "once")
    return _back(request, "")


@database.non_atomic_requests
@backstage
@require_POST
def move_time(request: HttpRequest) -> HttpResponse:
    """``step``: "reconcile", "expire" or "day"; the reconciler comes by in each."""
    step = request.POST.get("step", "")
    if step not in ("reconcile", "expire", "day"):
        raise Http404
    if step == "expire":
        rehearsal.pass_time(_until_expired(request))
    if step == "day":
        rehearsal.pass_time(_DAY)
    said = _in_words(*_reconcile(request))
    payment = story.payment_of(request)
    if payment is not None and payment.state == "paying":
        # pressing the button again would show nothing new either
        still = _(
            "Nexi has no answer yet, and until then the payment stays in doubt: let"
            " time pass."
        )
        said = f"{said}. {still}"
    return _back(request, said)


def _until_expired(request: HttpRequest) -> timedelta:
    payment = story.payment_of(request)
    if payment is None or payment.is_final:
        return _A_WHILE
    left = payment.expires_at - timezone.now() + timedelta(seconds=1)
    return max(left, timedelta())


def _reconcile(request: HttpRequest) -> tuple[flows.Counts, ...]:
    """A pass over what is due, and a look at the payment that is shown, due or not:
    whoever presses the button has this one in mind."""
    everything = flows.reconcile()
    payment = story.payment_of(request)
    if payment is None or payment.due_at is None or payment.state == "init":
        return (everything,)
    return everything, flows.reconcile(payment)


def _in_words(*counts: flows.Counts) -> str:
    sums = {
        field.name: sum(getattr(one, field.name) for one in counts)
        for field in fields(flows.Counts)
    }
    # as the command prints them
    done = [f"{name}={number}" for name, number in sums.items() if number]
    did = " ".join(done) or _("nothing was due")
    return _("The reconciler came by: %(did)s") % {"did": did}


def _back(request: HttpRequest, said: str) -> HttpResponse:
    payment = story.payment_of(request)
    request.session["backstage"] = [said, payment.pk if payment else None]
    there = request.POST.get("next", "")
    here = url_has_allowed_host_and_scheme(there, allowed_hosts={request.get_host()})
    return redirect(there if here else "shop")


@backstage
@require_safe
def tour(request: HttpRequest) -> HttpResponse:
    return render(request, "demo_shop/tour.html")


@backstage
@require_POST
def leave_tour(request: HttpRequest) -> HttpResponse:
    """Not shown again by itself."""
    request.session["toured"] = True
    return redirect("shop")
