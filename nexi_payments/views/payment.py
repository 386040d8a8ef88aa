"""The shopper's pages. Parse, call one flow, answer.

The return view works without cookies and touches no session: the issuer's cross-site
POST arrives without them, and a session begun there would log the shopper out.
"""

from __future__ import annotations

import logging
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousOperation
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    UnreadablePostError,
)
from django.http.multipartparser import MultiPartParserError
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from nexi_payments import conf, flows, forms, states, wording
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    CardBlocked,
    OrderBusy,
    OrderNotPayable,
    OutcomeNotRecorded,
    ReferenceInUse,
    TerminalUnavailable,
    TooManyAttempts,
)
from nexi_payments.models import PaymentOrder, database
from nexi_payments.pages import (
    NO_REFERRER,
    ORIGIN_ONLY,
    address_of,
    guarded,
    page,
    request_id_of,
    sealed,
    with_payment,
)

log = logging.getLogger("nexi_payments.views")

#: A 3-D Secure answer is a few kilobytes.
_LONGEST_PARES: Final = 64 * 1024


def _order(request: HttpRequest, public_id: str) -> PaymentOrder | None:
    """The order, if there is one and this visitor may see it."""
    rows = PaymentOrder.objects.select_related("user", "details")
    order = rows.filter(public_id=public_id).first()
    if order is None or order.user_id is None:
        return order
    user = getattr(request, "user", None)
    return order if user is not None and user.pk == order.user_id else None


def context_of(order: PaymentOrder | None, **more: Any) -> dict[str, Any]:
    """What every template gets: documented in docs/templates.md."""
    if order is None:
        return {"order": None, "message": wording.UNKNOWN, **more}
    return {
        "order": order,
        **wording.sums(order),
        "message": wording.message(order),
        "merchant": conf.current().merchant_name,
        "agreement": wording.agreement(order),
        "pay_url": order.get_absolute_url(),
        "result_url": reverse("nexi_payments:result", args=[order.public_id]),
        "status_url": reverse("nexi_payments:status", args=[order.public_id]),
        "test_mode": conf.current().terminal(order.terminal).environment
        != conf.PRODUCTION,
        **more,
    }


def see_result(order: PaymentOrder) -> HttpResponse:
    return see(reverse("nexi_payments:result", args=[order.public_id]))


def see(url: str) -> HttpResponse:
    """303: the browser asks with GET, whatever it has just posted."""
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return sealed(response, referrer=NO_REFERRER)


def _neutral(request: HttpRequest) -> HttpResponse:
    return page(request, "result.html", context_of(None), status=404)


def _site(request: HttpRequest) -> str:
    host = request.META.get("HTTP_HOST", "")
    return conf.site_address(host, secure=request.is_secure())


def _actor(request: HttpRequest) -> flows.Actor:
    return flows.Actor(address=address_of(request), request_id=request_id_of(request))


@login_not_required
@database.non_atomic_requests
@guarded
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, public_id: str) -> HttpResponse:
    """The card page, and what it posts to."""
    order = _order(request, public_id)
    if order is None:
        forms.scrub(request)
        return _neutral(request)
    if not order.takes_card:
        forms.scrub(request)
        return see_result(order)
    form_of = forms.card_form(wording.agreement(order))
    if request.method != "POST":
        later = _instead_of(order)
        if later is not None:
            return see_result(later)
        return _card_page(request, order, form_of(initial=_initial(order)))
    form = forms.read_card(request, form_of)
    if form.card is None:
        return _card_page(request, order, form)
    return _start(request, order, form, form.card)


def _instead_of(order: PaymentOrder) -> PaymentOrder | None:
    """Back on the page of a failed attempt: a later one that is paid, or in doubt."""
    if order.state != states.FAILED:
        return None
    live = PaymentOrder.objects.filter(live_reference=order.live_key).first()
    return live if live is not None and not live.takes_card else None


def _start(
    request: HttpRequest, order: PaymentOrder, form: forms.CardForm, card: Card
) -> HttpResponse:
    try:
        step = flows.start_payment(
            order,
            card,
            cardholder=form.cleaned_data["cardholder_name"],
            site=_site(request),
            agreed=str(wording.agreement(order)),
            actor=_actor(request),
        )
    except (OrderBusy, OrderNotPayable, ReferenceInUse) as error:
        return see_result(error.order)
    except OutcomeNotRecorded:
        return see_result(order)
    except TerminalUnavailable:
        notice = wording.UNAVAILABLE
        return _card_page(request, order, form, notice=notice, status=503)
    except TooManyAttempts as error:
        notice = wording.TOO_MANY
        answer = _card_page(request, order, form, notice=notice, status=429)
        answer.headers["Retry-After"] = str(int(error.seconds))
        return answer
    except CardBlocked:
        # worded as any decline: nobody learns here why
        return _card_page(request, order, form, notice=wording.DECLINED)
    if step.redirect is None:
        return see_result(step.order)
    return page(
        request,
        "redirect.html",
        context_of(step.order, redirect=step.redirect),
        # any https host: Chromium blocks when the gateway sends the browser on to the
        # issuer and the issuer's host is not listed, and nobody knows that in advance
        form_action=f"https: {_origin(step.redirect.action)}",
        referrer=ORIGIN_ONLY,
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _initial(order: PaymentOrder) -> dict[str, str]:
    return {"cardholder_name": order.cardholder_name or order.customer_name}


def _card_page(
    request: HttpRequest,
    order: PaymentOrder,
    form: forms.CardForm,
    *,
    notice: wording.Message | None = None,
    status: int = 200,
) -> HttpResponse:
    if notice is None and order.state != states.INIT:
        notice = wording.message(order)
    context = context_of(order, form=form, notice=notice)
    return page(request, "pay.html", context, status=status)


@csrf_exempt
@login_not_required
@database.non_atomic_requests
@guarded
@require_http_methods(["GET", "HEAD", "POST"])
def return_from_issuer(
    request: HttpRequest, public_id: str, token: str
) -> HttpResponse:
    """``ReturnUrl``: the browser brings ``PaRes`` and ``paymentId``, mostly by POST.

    A GET that carries PaRes gets a page which posts it here; any other GET only shows.
    Whatever comes, the answer is the same redirect to the result page: it tells nothing
    about tokens, and no 4xx puts this address into a log.
    """
    result = reverse("nexi_payments:result", args=[public_id])
    if request.method != "POST":
        pares = request.GET.get("PaRes", "")
        if not pares or len(pares) > _LONGEST_PARES:
            return see(result)
        fields = {"PaRes": pares, "paymentId": request.GET.get("paymentId", "")}
        return page(request, "repost.html", {"fields": fields, "action": request.path})
    rows = PaymentOrder.objects.filter(public_id=public_id).select_related("details")
    order = rows.first()
    posted = _posted(request)
    if order is not None and posted is not None:
        try:
            flows.resume_payment(
                order,
                token,
                pares=posted[0],
                payment_id=posted[1],
                site=_site(request),
                actor=_actor(request),
            )
        except Exception:
            # what was claimed is on disk and reconciliation finds its end; an error
            # page here would show this address, token included
            log.exception("return for order %s", order.order_id)
    if django_settings.SESSION_COOKIE_SAMESITE == "Strict":
        # after a cross-site POST such a cookie does not even come along to the
        # redirect's target; it does after a page of our own has moved on
        return page(request, "landing.html", {"next": result}, referrer=NO_REFERRER)
    return see(result)


def _posted(request: HttpRequest) -> tuple[str, str] | None:
    """``PaRes`` and ``paymentId``, "" where missing; ``None`` for a post that no bank
    sends: too long, too many fields, broken off."""
    try:
        pares = request.POST.get("PaRes", "")
        payment_id = request.POST.get("paymentId", "")
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return None
    return (pares, payment_id) if len(pares) <= _LONGEST_PARES else None


@login_not_required
@require_safe
def result(request: HttpRequest, public_id: str) -> HttpResponse:
    """How the payment stands: on to the shop, another card, or wait."""
    order = _order(request, public_id)
    if order is None:
        return _neutral(request)
    if order.state in states.SUCCESSFUL and order.success_url:
        return see(with_payment(order.success_url, order.public_id))
    template = "result.html" if order.is_final else "pending.html"
    return page(request, template, context_of(order))


@login_not_required
@require_safe
def status(request: HttpRequest, public_id: str) -> HttpResponse:
    """``{state, final, message, next}`` for the pending page: ``next`` when final."""
    order = _order(request, public_id)
    if order is None:
        answer = {"state": "unknown", "final": True, "message": wording.UNKNOWN.title}
        return sealed(JsonResponse({**answer, "next": None}, status=404))
    next_url = None
    if order.is_final:
        next_url = reverse("nexi_payments:result", args=[order.public_id])
    return sealed(
        JsonResponse(
            {
                "state": order.state,
                "final": order.is_final,
                "message": wording.message(order).title,
                "next": next_url,
            }
        )
    )
