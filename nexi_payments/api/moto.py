"""Phone orders (MOTO): order and card in one request."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import card_extraction, conf, permissions
from nexi_payments.api import authentication, idempotency, parsers, throttling
from nexi_payments.api.openapi import operation_schema
from nexi_payments.api.permissions import require_right_to_take, requires
from nexi_payments.api.request_serializers import (
    MotoDetailsRequestSerializer,
    MotoRequestSerializer,
)
from nexi_payments.api.response_serializers import OrderResponseSerializer, order_data
from nexi_payments.api.views import BaseAPIView, validated_body
from nexi_payments.enums import Channel, OrderState
from nexi_payments.exceptions import (
    NexiPaymentsError,
    OrderBusy,
    OrderNotPayable,
    OutcomeNotRecorded,
)
from nexi_payments.flows import moto
from nexi_payments.models import PaymentOrder
from nexi_payments.web import card_form


class MotoView(BaseAPIView):
    body_kind = card_extraction.JSON
    permission_classes = (requires(permissions.TAKE_MOTO),)
    throttle_classes = (throttling.MotoThrottle,)

    @operation_schema(
        {200: OrderResponseSerializer, 201: OrderResponseSerializer},
        body=MotoRequestSerializer,
        operation_id="pay_moto",
        tags=["moto"],
    )
    def post(self, request: Request) -> Response:
        """Charge a card for a phone order, once for each reference. For a reference
        that is paid or in progress, the response is that payment (200), without a
        second charge. A decline is a result: `state` "failed". "paying" means that the
        outcome is not known yet: read the order again. Above the ceiling it is 409
        `approval_required`: send the same request again when it is approved.
        """
        form = parsers.extract_card_form(request, card_form.CardForm)
        data = validated_body(request, MotoDetailsRequestSerializer)
        allow_duplicate = data.pop("allow_duplicate")
        data.setdefault("terminal", _default_moto_terminal())
        require_right_to_take(request, data["terminal"], permissions.TAKE_MOTO)
        cardholder = form.cleaned_data["cardholder_name"]
        key = idempotency.IdempotencyKey(request, [request.data, cardholder])
        record, is_new = key.get_or_create_record()
        # a key stays linked to the payment that it created, in every state of it
        order = idempotency.linked_order(record)
        if order is None:
            try:
                actor = authentication.actor(request)
                order = moto.create_moto_order(**data, nonce=key.nonce, actor=actor)
            except NexiPaymentsError:
                if is_new:
                    idempotency.discard(record)  # no order exists
                raise
            idempotency.link_order(record, order)
        if order.state != OrderState.INIT or order.channel == Channel.LINK:
            return Response(order_data(order, request))
        return self._charge(request, order, form, allow_duplicate=allow_duplicate)

    def _charge(
        self,
        request: Request,
        order: PaymentOrder,
        form: card_form.CardForm,
        *,
        allow_duplicate: bool,
    ) -> Response:
        assert form.card is not None  # noqa: S101  for the type checker
        status = 201
        try:
            moto.pay_moto(
                order,
                form.card,
                cardholder=form.cleaned_data["cardholder_name"],
                allow_duplicate=allow_duplicate,
                actor=authentication.actor(request),
            )
        except (OrderBusy, OrderNotPayable) as error:
            if error.order.pk != order.pk:
                raise  # the purchase is paid on Nexi's hosted page, or may be
            status = 200  # a concurrent request with this reference was first
        except OutcomeNotRecorded:
            pass
        order.refresh_from_db()
        return Response(order_data(order, request), status=status)


def _default_moto_terminal() -> str:
    """The first terminal in the settings with ``MOTO``."""
    return next(
        (terminal.name for terminal in conf.current().moto_terminals), "default"
    )
