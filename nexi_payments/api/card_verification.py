"""Zero-amount card verifications."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import card_extraction, conf, flows, permissions, terminal_rights
from nexi_payments.api import authentication, idempotency, parsers, throttling
from nexi_payments.api.openapi import operation_schema
from nexi_payments.api.permissions import require_right_to_take, requires
from nexi_payments.api.request_serializers import (
    CardVerificationDetailsRequestSerializer,
    CardVerificationRequestSerializer,
)
from nexi_payments.api.response_serializers import CardVerificationResponseSerializer
from nexi_payments.api.views import BaseAPIView, validated_body
from nexi_payments.exceptions import NexiPaymentsError, OutcomeNotRecorded
from nexi_payments.models import CardVerification
from nexi_payments.web import card_form


class CardVerificationsView(BaseAPIView):
    body_kind = card_extraction.JSON
    permission_classes = (requires(permissions.VERIFY_CARD),)
    throttle_classes = (throttling.CardVerificationThrottle,)

    @operation_schema(
        {
            200: CardVerificationResponseSerializer,
            201: CardVerificationResponseSerializer,
        },
        body=CardVerificationRequestSerializer,
        operation_id="verify_card",
        tags=["card-verifications"],
    )
    def post(self, request: Request) -> Response:
        """Run a zero-amount card verification. No money moves.

        A decline is a result: see `outcome`. The same key again sends nothing and
        returns the current state of the same verification (200).
        """
        form = parsers.extract_card_form(request, card_form.CardForm)
        data = validated_body(request, CardVerificationDetailsRequestSerializer)
        data.setdefault("terminal", _default_terminal())
        require_right_to_take(request, data["terminal"], permissions.VERIFY_CARD)
        cardholder = form.cleaned_data["cardholder_name"]
        key = idempotency.IdempotencyKey(request, [request.data, cardholder])
        record, is_new = key.get_or_create_record()
        assert form.card is not None  # noqa: S101  for the type checker
        try:
            verification = flows.verify_card(
                form.card,
                cardholder=cardholder,
                **data,
                nonce=key.nonce,
                actor=authentication.actor(request),
            )
        except OutcomeNotRecorded as error:
            verification = CardVerification.objects.get(order_id=error.order_id)
        except NexiPaymentsError:
            if is_new:
                idempotency.discard(record)  # nothing was sent
            raise
        return Response(
            CardVerificationResponseSerializer(verification).data,
            status=201 if is_new else 200,
        )


class CardVerificationView(BaseAPIView):
    permission_classes = (requires(*permissions.CAN_VIEW_VERIFICATIONS),)
    throttle_classes = (throttling.ServerThrottle,)

    @operation_schema(
        {200: CardVerificationResponseSerializer},
        operation_id="read_card_verification",
        tags=["card-verifications"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """Read a card verification. Nothing is sent to Nexi."""
        rows = terminal_rights.limit(CardVerification.objects.all(), request.user)
        verification = get_object_or_404(rows, order_id=id.replace("\0", "")[:64])
        return Response(CardVerificationResponseSerializer(verification).data)


def _default_terminal() -> str:
    terminals = conf.current().verification_terminals
    return terminals[0].name if terminals else "default"
