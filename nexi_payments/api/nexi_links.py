"""Nexi's own payment links, for the shop's server: create, read, renew, cancel."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import flows, permissions
from nexi_payments.api import authentication, idempotency, throttling
from nexi_payments.api.openapi import operation_schema
from nexi_payments.api.orders import get_order_or_404
from nexi_payments.api.permissions import requires
from nexi_payments.api.problem_details import Problem
from nexi_payments.api.request_serializers import (
    EmptyRequestSerializer,
    NexiLinkRenewalRequestSerializer,
    NexiLinkRequestSerializer,
)
from nexi_payments.api.response_serializers import NexiLinkResponseSerializer
from nexi_payments.api.views import BaseAPIView, request_site, validated_body
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import (
    GatewayUnavailable,
    InvalidState,
    NexiPaymentsError,
    OrderNotPayable,
    OutcomeNotRecorded,
)
from nexi_payments.flows import payment_link
from nexi_payments.flows.hosted import nexi_links
from nexi_payments.models import PaymentOrder


class _LinkView(BaseAPIView):
    """``id`` may be that of an earlier attempt: the current one is meant."""

    permission_classes = (requires(permissions.TAKE_MOTO),)
    throttle_classes = (throttling.ServerThrottle,)


class NexiLinkView(_LinkView):
    @operation_schema(
        {200: NexiLinkResponseSerializer},
        problems=(503,),
        operation_id="read_nexi_link",
        tags=["payment links"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """Read the payment link, to send it again. Nexi is asked for `url`, which is
        stored nowhere here; `null` if the link is not open."""
        return _link_response(request, _current_attempt(request, id), fetch=True)

    @operation_schema(
        {200: NexiLinkResponseSerializer, 201: NexiLinkResponseSerializer},
        body=NexiLinkRequestSerializer,
        operation_id="create_nexi_link",
        tags=["payment links"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Make a payment link of Nexi's for an unpaid payment. 201 with its `url`:
        send it to the customer. 200 with the current link for a repetition, and
        without `url` if Nexi made none: the attempt has failed, nothing was charged.

        After a failed attempt this makes a new one: see `order.id`.
        """
        data = validated_body(request, NexiLinkRequestSerializer)
        order = _current_attempt(request, id)
        key = idempotency.IdempotencyKey(request, request.data)
        record, is_new = key.get_or_create_record()
        attempt = idempotency.linked_order(record)
        if attempt is None and not is_new and order.state != OrderState.INIT:
            attempt = order  # the first request has begun, and did not get here
        if attempt is not None:
            return _link_response(request, attempt, fetch=True)
        try:
            step = flows.create_nexi_link(
                order,
                data["expires_on"],
                language=data.get("language"),
                site=request_site(request),
                actor=authentication.actor(request),
            )
        except OutcomeNotRecorded:
            raise
        except NexiPaymentsError:
            if is_new:
                idempotency.discard(record)  # no link was made
            raise
        idempotency.link_order(record, step.order)
        return _link_response(request, step.order, url=step.redirect_to)


class RenewNexiLinkView(_LinkView):
    @operation_schema(
        {200: NexiLinkResponseSerializer},
        body=NexiLinkRenewalRequestSerializer,
        operation_id="renew_nexi_link",
        tags=["payment links"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Give the open link another last day. Its URL stays the same, and is not
        repeated here."""
        data = validated_body(request, NexiLinkRenewalRequestSerializer)
        order = _current_attempt(request, id)

        def action() -> Response:
            try:
                flows.renew_nexi_link(
                    order, data["expires_on"], site=request_site(request)
                )
            except InvalidState:
                raise Problem(
                    409,
                    "invalid_state",
                    "No link of this payment is open, or Nexi does not take this day."
                    " The last day was not changed.",
                    order=order.order_id,
                ) from None
            except GatewayUnavailable:
                raise Problem(
                    503,
                    "gateway_unavailable",
                    "Nexi has not confirmed the new day. Repeat the request.",
                ) from None
            return _link_response(request, order)

        key = idempotency.IdempotencyKey(request, request.data)
        return idempotency.run_once(key, action)


class CancelNexiLinkView(_LinkView):
    @operation_schema(
        {200: NexiLinkResponseSerializer},
        body=EmptyRequestSerializer,
        operation_id="cancel_nexi_link",
        tags=["payment links"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Cancel the link at Nexi. The payment fails (`expired`) unless it was paid
        before: 409 `nexi_link_used`. 503 `nexi_link_cancel_unconfirmed`: until Nexi
        confirms, it may still be paid; it is cancelled again automatically."""
        validated_body(request, EmptyRequestSerializer)
        order = _current_attempt(request, id)

        def action() -> Response:
            try:
                flows.cancel_nexi_link(order, site=request_site(request))
            except OrderNotPayable:
                raise Problem(
                    409,
                    "nexi_link_used",
                    "The customer has used this link: read the payment `order`.",
                    order=order.order_id,
                ) from None
            except GatewayUnavailable:
                raise Problem(
                    503,
                    "nexi_link_cancel_unconfirmed",
                    "Nexi has not confirmed it: the link may still be paid. It is"
                    " cancelled again automatically.",
                ) from None
            return _link_response(request, order)

        key = idempotency.IdempotencyKey(request, request.data)
        return idempotency.run_once(key, action)


def _current_attempt(request: Request, order_id: str) -> PaymentOrder:
    return payment_link.current_attempt(
        get_order_or_404(request, order_id, permissions.TAKE_MOTO)
    )


def _link_response(
    request: Request, order: PaymentOrder, *, url: str = "", fetch: bool = False
) -> Response:
    """201 if the link was made now: ``url`` is given. ``fetch`` asks Nexi for it."""
    status = 201 if url else 200
    if fetch:
        url = _fetched_url(request, order)
    link = nexi_links.find_open(order)
    facts = {
        "order": order,
        "is_open": link is not None,
        "expires_on": link.expires_on if link else None,
        "url": url or None,
    }
    serializer = NexiLinkResponseSerializer(facts, context={"request": request})
    return Response(serializer.data, status=status)


def _fetched_url(request: Request, order: PaymentOrder) -> str:
    try:
        return flows.fetch_nexi_link(order, site=request_site(request))
    except InvalidState:
        return ""
