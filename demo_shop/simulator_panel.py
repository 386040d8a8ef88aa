"""Simulator panel of the demo: gateway calls, notifications, ledger,
faults of the gateway. The clock's controls are in ``time_controls``.

Available with DEBUG and the built-in simulator; otherwise every view is a 404.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from demo_shop import payment_trace
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import FAULTS, WORLDS, Simulator
from nexi_payments.testing import demo_clock

View = Callable[..., HttpResponse]
#: What each world is called on the panel.
_WORLD_TEXTS: Final = {
    "lagging": _("Its lists are up to 30 seconds behind"),
    "ahead": _("Its totals run ahead of its lists"),
    "pending": _("Captures, refunds and voids are pending for hours"),
    "forgetful": _("It forgets a request after 12 hours"),
    "twice": _("It executes a repeated request again"),
    "late": _("It executes lost requests later"),
    "backoffice": _("Somebody works in its back office, too"),
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
    club = payment_trace.latest_contract(request)
    is_simulated = payment is not None and demo_clock.simulator_for(payment.terminal)
    fault = gateway.faults.fault
    return {
        "trace": payment_trace.trace_payment(payment, gateway)
        if payment and is_simulated
        else None,
        "club": payment_trace.trace_contract(club) if club else None,
        "limited_until": payment_trace.limited_until(payment) if payment else None,
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
    return redirect_back(request, "")


@demo_only
@require_POST
def set_worlds(request: HttpRequest) -> HttpResponse:
    """Switch exactly these worlds on. ``world``: names of ``WORLDS``, or none."""
    gateway, names = simulator(), request.POST.getlist("world")
    if gateway is None or not set(names) <= set(WORLDS):
        raise Http404
    gateway.worlds = tuple(WORLDS[name]() for name in dict.fromkeys(names))
    return redirect_back(request, "")


@demo_only
@require_POST
def choose_card_page(request: HttpRequest) -> HttpResponse:
    """Where the cards of the next payments are entered. ``cards``: "ours", "nexi"."""
    chosen = request.POST.get("cards", "")
    if chosen not in ("ours", "nexi"):
        raise Http404
    request.session["cards_on_nexis_page"] = chosen == "nexi"
    return redirect_back(request, "")


def redirect_back(request: HttpRequest, message: str) -> HttpResponse:
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
