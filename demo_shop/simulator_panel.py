"""Simulator panel of the demo: gateway calls, notifications, ledger,
clock and faults of the gateway.

Available with DEBUG and the built-in simulator; otherwise every view is a 404.
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
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from demo_shop import payment_trace
from nexi_payments import flows
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.simulator import FAULTS, WORLDS, Simulator
from nexi_payments.testing import demo_clock

View = Callable[..., HttpResponse]
#: How far each button of the clock moves it. "expire" depends on the payment.
_STEPS: Final = {
    "reconcile": timedelta(),
    "minute": timedelta(minutes=1),
    "day": timedelta(days=1),
}
#: Used without an open payment: the time to pay, and a margin.
_EXPIRY_PERIOD: Final = timedelta(minutes=31)
#: What each world is called on the panel.
_WORLD_TEXTS: Final = {
    "lagging": gettext_lazy("Its lists are up to 30 seconds behind"),
    "ahead": gettext_lazy("Its totals run ahead of its lists"),
    "pending": gettext_lazy("Captures, refunds and voids are pending for hours"),
    "forgetful": gettext_lazy("It forgets a request after 12 hours"),
    "twice": gettext_lazy("It executes a repeated request again"),
    "late": gettext_lazy("It executes lost requests later"),
    "backoffice": gettext_lazy("Somebody works in its back office, too"),
}


def simulator() -> Simulator | None:
    """The simulator of the demo; ``None`` without DEBUG or with a real gateway."""
    found = demo_clock.simulator_for("default") if settings.DEBUG else None
    if found is not None:
        found.keep_bodies()
    return found


def panel_context(request: HttpRequest) -> dict[str, Any]:
    """Template variable ``simulator_panel``; evaluated on first use."""
    return {"simulator_panel": SimpleLazyObject(lambda: _panel_facts(request))}


def _panel_facts(request: HttpRequest) -> dict[str, Any]:
    gateway = simulator()
    if gateway is None or not hasattr(request, "session"):
        return {}
    payment = payment_trace.latest_payment(request)
    is_simulated = payment is not None and demo_clock.simulator_for(payment.terminal)
    fault = gateway.faults.fault
    return {
        "trace": payment_trace.trace_payment(payment, gateway)
        if payment and is_simulated
        else None,
        "fault": fault.name if fault else "",
        "worlds": _world_choices(gateway),
        "now": timezone.now(),
        "time_advanced": bool(demo_clock.CLOCK.offset),
        "message": _message_for(request, payment),
        "current_url": request.get_full_path(),
        "cards_on_nexis_page": request.session.get("cards_on_nexis_page", False),
        "tour_dismissed": request.session.get("tour_dismissed", False),
    }


def _world_choices(gateway: Simulator) -> list[dict[str, Any]]:
    on = {one.name for one in gateway.worlds}
    return [
        {"name": name, "text": _WORLD_TEXTS[name], "is_on": name in on}
        for name in WORLDS
    ]


def _message_for(request: HttpRequest, payment: PaymentOrder | None) -> str:
    """The result of the last button, until another payment is shown."""
    message, about = request.session.get("simulator_panel", ("", None))
    return str(message) if about == (payment.pk if payment else None) else ""


def demo_only(view: View) -> View:
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if simulator() is None:
            raise Http404
        return view(request, *args, **kwargs)

    return wrapper


@demo_only
@never_cache
@require_safe
def panel(request: HttpRequest) -> HttpResponse:
    """The dynamic part of the panel; 304 while it has not changed."""
    response = render(request, "demo_shop/payment_trace.html")
    tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified()
    response["ETag"] = tag
    return response


@demo_only
@require_POST
def set_fault(request: HttpRequest) -> HttpResponse:
    """Set the gateway's fault: one of ``FAULTS``, or "" for none."""
    gateway, fault = simulator(), request.POST.get("fault", "")
    if gateway is None or (fault and fault not in FAULTS):
        raise Http404
    gateway.faults.set_fault(fault, once=request.POST.get("how") == "once")
    return _redirect_back(request, "")


@demo_only
@require_POST
def set_worlds(request: HttpRequest) -> HttpResponse:
    """Switch exactly these worlds on. ``world``: names of ``WORLDS``, or none."""
    gateway, names = simulator(), request.POST.getlist("world")
    if gateway is None or not set(names) <= set(WORLDS):
        raise Http404
    gateway.worlds = tuple(WORLDS[name]() for name in dict.fromkeys(names))
    return _redirect_back(request, "")


@demo_only
@require_POST
def choose_card_page(request: HttpRequest) -> HttpResponse:
    """Where the cards of the next payments are entered. ``cards``: "ours", "nexi"."""
    chosen = request.POST.get("cards", "")
    if chosen not in ("ours", "nexi"):
        raise Http404
    request.session["cards_on_nexis_page"] = chosen == "nexi"
    return _redirect_back(request, "")


@db_transactions.non_atomic_requests
@demo_only
@require_POST
def advance_time(request: HttpRequest) -> HttpResponse:
    """Advance the clock and reconcile. ``step``: "expire" or one of ``_STEPS``."""
    step = request.POST.get("step", "")
    if step != "expire" and step not in _STEPS:
        raise Http404
    by = _until_expired(request) if step == "expire" else _STEPS[step]
    if by:
        demo_clock.advance(by)
    if gateway := simulator():
        gateway.hosted.deliver_due()
    message = _counts_text(*_reconcile(request))
    payment = payment_trace.latest_payment(request)
    if payment is not None and payment.state == "paying":
        # reconciling again would not change this
        still = _(
            "Nexi has no answer yet, and until then the payment stays in doubt: let"
            " time pass."
        )
        message = f"{message}. {still}"
    return _redirect_back(request, message)


def _until_expired(request: HttpRequest) -> timedelta:
    payment = payment_trace.latest_payment(request)
    if payment is None or payment.is_final:
        return _EXPIRY_PERIOD
    left = payment.expires_at - timezone.now() + timedelta(seconds=1)
    return max(left, timedelta())


def _reconcile(request: HttpRequest) -> tuple[flows.Counts, ...]:
    """Reconcile all due payments, and the one that is shown, even if not due."""
    everything = flows.reconcile()
    payment = payment_trace.latest_payment(request)
    if payment is None or payment.next_poll_at is None or payment.state == "init":
        return (everything,)
    return everything, flows.reconcile(payment)


def _counts_text(*counts: flows.Counts) -> str:
    sums = {
        field.name: sum(getattr(one, field.name) for one in counts)
        for field in fields(flows.Counts)
    }
    # in the format of the command
    done = [f"{name}={number}" for name, number in sums.items() if number]
    did = " ".join(done) or _("nothing was due")
    return _("The reconciler came by: %(did)s") % {"did": did}


def _redirect_back(request: HttpRequest, message: str) -> HttpResponse:
    payment = payment_trace.latest_payment(request)
    request.session["simulator_panel"] = [message, payment.pk if payment else None]
    url = request.POST.get("next", "")
    # a path: ``redirect`` takes other texts for names of views, and no header holds a
    # line break
    safe = (
        url.startswith("/")
        and url.isprintable()
        and url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()})
    )
    return redirect(url if safe else "shop")


@demo_only
@require_safe
def tour(request: HttpRequest) -> HttpResponse:
    return render(request, "demo_shop/tour.html")


@demo_only
@require_POST
def dismiss_tour(request: HttpRequest) -> HttpResponse:
    """Do not show the tour on the first page again."""
    request.session["tour_dismissed"] = True
    return redirect("shop")
