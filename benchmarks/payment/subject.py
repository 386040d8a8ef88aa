"""Ours, in views as bare as the baseline's: a ledger, an outbox and a hold more."""

from __future__ import annotations

from decimal import Decimal

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.flows import moto as desk
from nexi_payments.models import PaymentOrder
from nexi_payments.web.client_info import get_client_ip


def _card(request: HttpRequest) -> Card:
    return Card(
        request.POST["card_number"],
        request.POST["expiry"],
        request.POST["security_code"],
    )


def _actor(request: HttpRequest) -> flows.Actor:
    return flows.Actor(address=get_client_ip(request))


@csrf_exempt
def moto(request: HttpRequest) -> JsonResponse:
    actor = _actor(request)
    order = desk.create_moto_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference=request.POST["reference"],
        terminal="moto",
        actor=actor,
    )
    order = desk.pay_moto(
        order,
        _card(request),
        cardholder=request.POST["cardholder_name"],
        allow_duplicate=True,
        actor=actor,
    )
    return JsonResponse({"state": order.state})


def _begin(request: HttpRequest, terminal: str) -> JsonResponse:
    order = flows.create_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference=request.POST["reference"],
        terminal=terminal,
    )
    step = flows.start_payment(
        order,
        _card(request),
        cardholder=request.POST["cardholder_name"],
        actor=_actor(request),
    )
    assert step.redirect is not None, (order.state, order.reason)
    return JsonResponse(
        {
            "action": step.redirect.action,
            "back": order.public_id,
            "token": step.redirect.fields["ReturnUrl"].rstrip("/").rpartition("/")[2],
            "operation": step.redirect.fields["transactionId"],
        }
    )


@csrf_exempt
def begin_two_steps(request: HttpRequest) -> JsonResponse:
    return _begin(request, "two")


@csrf_exempt
def begin_three_steps(request: HttpRequest) -> JsonResponse:
    return _begin(request, "default")


@csrf_exempt
def finish(request: HttpRequest) -> JsonResponse:
    order = flows.resume_payment(
        PaymentOrder.objects.select_related("details").get(
            public_id=request.POST["back"]
        ),
        request.POST["token"],
        pares=request.POST["PaRes"],
        payment_id=request.POST["operation"],
        actor=_actor(request),
    )
    return JsonResponse({"state": order.state})
