"""Phone orders: order and card in one request, by whoever may take them. And a card
that is verified for nothing, with a permission of its own."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import flows, forms, states
from nexi_payments.api import access, keys, reading
from nexi_payments.api.answers import CheckOut, OrderOut
from nexi_payments.api.base import View, read
from nexi_payments.api.description import described
from nexi_payments.api.desk_bodies import CallIn, CheckIn, MotoIn, VerifyIn
from nexi_payments.api.problems import Problem
from nexi_payments.exceptions import (
    NexiPaymentsError,
    OrderBusy,
    OrderNotPayable,
    OutcomeNotRecorded,
)
from nexi_payments.flows import moto
from nexi_payments.models import CardCheck, PaymentOrder
from nexi_payments.staff_forms import check_terminals, moto_terminals


class Moto(View):
    permission_classes = (access.may(access.MOTO),)
    throttle_classes = (access.MotoThrottle,)

    @described(
        {200: OrderOut, 201: OrderOut}, body=MotoIn, operation_id="moto", tags=["desk"]
    )
    def post(self, request: Request) -> Response:
        """Charges a card by telephone, once: a reference that is paid, or being paid,
        gives that payment (200), and no second charge. A decline is an answer:
        `state` "failed". "paying" means that nobody knows yet: look again.
        """
        form = reading.take_card(request, forms.CardForm)
        data = read(request, CallIn)
        knowingly = data.pop("knowingly")
        data.setdefault("terminal", _first_desk())
        holder = form.cleaned_data["cardholder_name"]
        key = keys.Key(request, [request.data, holder])
        row, first = key.claim()
        actor = access.actor(request)
        # a key stays with the payment that it led to, whatever becomes of that
        order = keys.pointed_at(row)
        if order is None:
            try:
                order = moto.open_order(**data, nonce=key.nonce, actor=actor)
            except NexiPaymentsError:
                if first:
                    row.delete()  # nothing was made: the same key may come again
                raise
            keys.point_at(row, order)
        if order.state != states.INIT or order.channel == states.CHANNEL_LINK:
            return Response(OrderOut(order).data)
        return self._charge(order, form, actor, knowingly=knowingly)

    def _charge(
        self,
        order: PaymentOrder,
        form: forms.CardForm,
        actor: flows.Actor,
        *,
        knowingly: bool,
    ) -> Response:
        assert form.card is not None  # noqa: S101  for the type checker
        if moto.alike(order, form.card.last4).exists() and not knowingly:
            raise Problem(
                409,
                "charged_just_now",
                "This card was charged the same amount in the last ten minutes. Nothing"
                " was charged; send `knowingly` with a new key if it is meant.",
                order=order.public_id,
            )
        status = 201
        try:
            moto.pay_moto(
                order,
                form.card,
                cardholder=form.cleaned_data["cardholder_name"],
                actor=actor,
            )
        except (OrderBusy, OrderNotPayable):
            status = 200  # a twin of this request was faster
        except OutcomeNotRecorded:
            pass
        order.refresh_from_db()
        return Response(OrderOut(order).data, status=status)


class Checks(View):
    permission_classes = (access.may(access.VERIFY),)
    throttle_classes = (access.VerifyThrottle,)

    @described(
        {200: CheckOut, 201: CheckOut},
        body=VerifyIn,
        operation_id="verify_card",
        tags=["desk"],
    )
    def post(self, request: Request) -> Response:
        """Asks the bank whether a card is good, for an amount of 0: no money moves. A
        refusal is an answer: `outcome`. The same key again asks nobody and gives the
        same check, as it is then (200)."""
        form = reading.take_card(request, forms.CardForm)
        data = read(request, CheckIn)
        data.setdefault("terminal", check_terminals()[0].name)
        holder = form.cleaned_data["cardholder_name"]
        key = keys.Key(request, [request.data, holder])
        row, first = key.claim()
        assert form.card is not None  # noqa: S101  for the type checker
        try:
            check = flows.verify_card(
                form.card,
                cardholder=holder,
                **data,
                nonce=key.nonce,
                actor=access.actor(request),
            )
        except OutcomeNotRecorded as error:
            check = CardCheck.objects.get(order_id=error.order_id)
        except NexiPaymentsError:
            if first:
                row.delete()  # nobody was asked: the same key may come again
            raise
        return Response(CheckOut(check).data, status=201 if first else 200)


class OneCheck(View):
    permission_classes = (access.may(*access.CHECK_READERS),)
    throttle_classes = (access.ServerThrottle,)

    @described({200: CheckOut}, operation_id="read_check", tags=["desk"])
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """What was answered; nobody is asked again."""
        found = id.replace("\0", "")[:64]
        return Response(CheckOut(get_object_or_404(CardCheck, order_id=found)).data)


def _first_desk() -> str:
    """The terminal of the settings that takes phone orders, the first of several."""
    return next((one.name for one in moto_terminals()), "default")
