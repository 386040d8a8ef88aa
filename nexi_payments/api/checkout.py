"""For the browser that pays: it holds the client secret of one payment, and a card."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import flows, forms, money, states, wording
from nexi_payments.api import access, keys, possession, reading
from nexi_payments.api.answers import CardOut, CheckoutOut
from nexi_payments.api.base import View, read, site
from nexi_payments.api.bodies import AgreedIn, PayIn, ReturnIn
from nexi_payments.api.description import described
from nexi_payments.api.problems import Problem
from nexi_payments.exceptions import (
    CardBlocked,
    NexiPaymentsError,
    OrderBusy,
    OrderNotPayable,
    OutcomeNotRecorded,
    ReferenceInUse,
)
from nexi_payments.flows import moto
from nexi_payments.models import PaymentOrder
from nexi_payments.pages import with_payment

#: Seconds after which to ask again how a payment stands.
_AGAIN = 2


class Checkout(View):
    authentication_classes = (access.ClientSecret,)
    permission_classes = (access.Holder,)
    throttle_classes = (access.CheckoutThrottle,)

    @described({200: CheckoutOut}, operation_id="read_checkout", tags=["checkout"])
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """How the payment stands, in words for the shopper, and what to do now."""
        return Response(standing(_order(request)))


class Pay(View):
    authentication_classes = (access.ClientSecret,)
    permission_classes = (access.Holder,)
    throttle_classes = (access.CardThrottle,)

    @described({200: CheckoutOut}, body=PayIn, operation_id="pay", tags=["checkout"])
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Takes a card. The answer's `next_action` is mostly `redirect`: post its
        `fields` to its `url` from the browser, which is the way to the bank. Any
        decline is an answer, too: `failed`.

        After a decline another card makes a new attempt: use the `id` and the
        `client_secret` of the answer from then on.
        """
        order = _order(request)
        form = reading.take_card(request, forms.CardForm)
        agreed = read(request, AgreedIn)["agreed"]
        facts = {"cardholder_name": form.cleaned_data["cardholder_name"]}
        row, first = keys.Key(request, facts).claim()
        if not first:
            # never the card again, and no answer was kept: how does it stand?
            attempt = keys.pointed_at(row) or moto.newest_attempt(order)
            return Response(self._answer(attempt))
        try:
            step, message = self._start(request, order, form, agreed)
        except (NexiPaymentsError, Problem):
            row.delete()  # nothing was sent: the same request may come again
            raise
        keys.point_at(row, step.order)
        return Response(self._answer(step.order, step.redirect, message))

    def _answer(self, order: PaymentOrder, *more: Any) -> dict[str, Any]:
        secret = possession.client_secret(order)
        return {**standing(order, *more), "client_secret": secret}

    def _start(
        self,
        request: Request,
        order: PaymentOrder,
        form: forms.CardForm,
        agreed: bool,
    ) -> tuple[flows.Step, wording.Message | None]:
        assert form.card is not None  # noqa: S101  for the type checker
        try:
            step = flows.start_payment(
                order,
                form.card,
                cardholder=form.cleaned_data["cardholder_name"],
                site=site(request),
                agreed=wording.agreement(order) if agreed else "",
                actor=access.actor(request),
            )
        except ReferenceInUse as error:
            if _root(error.order) != _root(order):
                # somebody else's payment: its secret is not this one's to know
                raise Problem(
                    409,
                    "reference_in_use",
                    "Another payment for this purchase is under way or paid. Nothing"
                    " was charged here; ask the shop.",
                ) from None
            return flows.Step(error.order), None
        except (OrderBusy, OrderNotPayable) as error:
            return flows.Step(error.order), None
        except OutcomeNotRecorded:
            order.refresh_from_db()
            return flows.Step(order), None
        except CardBlocked:
            # worded as any decline: nobody learns here why
            return flows.Step(order), wording.DECLINED
        return step, None


class Continue(View):
    authentication_classes = (access.ClientSecret,)
    permission_classes = (access.Holder,)
    throttle_classes = (access.CheckoutThrottle,)

    @described(
        {200: CheckoutOut}, body=ReturnIn, operation_id="continue", tags=["checkout"]
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """After the bank, for apps that put an address of their own into `ReturnUrl`
        and hand over what was posted there. Charges at most once, however often it is
        sent; with our own `ReturnUrl` it is not needed."""
        order = _order(request)
        data = read(request, ReturnIn)
        keys.Key(request, request.data).claim()
        try:
            flows.resume_payment(
                order,
                data["token"],
                pares=data["PaRes"],
                payment_id=data["paymentId"],
                site=site(request),
                actor=access.actor(request),
            )
        except OutcomeNotRecorded:
            order.refresh_from_db()
        return Response(standing(order))


def _order(request: Request) -> PaymentOrder:
    order = request.auth
    assert isinstance(order, PaymentOrder)  # noqa: S101  ClientSecret has found it
    return order


def _root(order: PaymentOrder) -> int:
    """The first of the attempts that were made from one another."""
    return order.retry_of_id or order.pk


def standing(
    order: PaymentOrder,
    redirect: flows.RedirectForm | None = None,
    message: wording.Message | None = None,
) -> dict[str, Any]:
    """``CheckoutOut`` of an order."""
    said = message or wording.message(order)
    return {
        "id": order.public_id,
        "state": order.state,
        "final": order.is_final,
        "amount": str(money.to_major(order.amount, order.currency)),
        "currency": order.currency,
        "reference": order.reference,
        "description": order.description,
        "card": CardOut(order).data if order.card_last4 else None,
        "agreement": wording.agreement(order) if order.takes_card else "",
        "message": {"tone": said.tone, "title": said.title, "text": said.text},
        "next_action": next_action(order, redirect),
    }


def next_action(
    order: PaymentOrder, redirect: flows.RedirectForm | None = None
) -> dict[str, Any]:
    if redirect is not None:
        token = redirect.fields["ReturnUrl"].rstrip("/").rpartition("/")[2]
        return {
            "type": "redirect",
            "method": "POST",
            "url": redirect.action,
            "fields": redirect.fields,
            "token": token,
        }
    if order.state in states.SUCCESSFUL:
        result = reverse("nexi_payments:result", args=[order.public_id])
        url = with_payment(order.success_url, order.public_id)
        return {"type": "done", "url": url if order.success_url else result}
    link_over = order.state == states.INIT and not order.takes_card
    if order.state == states.FAILED or link_over:
        return {"type": "failed", "can_retry": order.takes_card}
    if order.state == states.REVIEW:
        return {"type": "contact"}
    if order.is_final:
        return {"type": "done"}
    if order.takes_card:
        return {"type": "enter_card"}
    return {"type": "pending", "after": _AGAIN}
