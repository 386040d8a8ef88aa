"""Payments for the shop's server: create, list, read, cancel, capture, void, refund,
cancel a capture, reconcile. Each action has its own permission."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import flows, permissions, terminal_rights
from nexi_payments.api import authentication, idempotency, throttling
from nexi_payments.api.client_secrets import client_secret
from nexi_payments.api.openapi import operation_schema
from nexi_payments.api.permissions import (
    require_right,
    require_right_to_take,
    requires,
)
from nexi_payments.api.problem_details import Problem
from nexi_payments.api.request_serializers import (
    CancelCaptureRequestSerializer,
    CancelRequestSerializer,
    CaptureRequestSerializer,
    EmptyRequestSerializer,
    OrderRequestSerializer,
    RefundRequestSerializer,
)
from nexi_payments.api.response_serializers import (
    OperationDetailResponseSerializer,
    OperationResponseSerializer,
    OrderResponseSerializer,
    order_data,
)
from nexi_payments.api.views import BaseAPIView, validated_body
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import OutcomeNotRecorded
from nexi_payments.flows.orders import create
from nexi_payments.flows.reconcile import inquire
from nexi_payments.models import Operation, PaymentOrder


class NewestFirstPagination(CursorPagination):
    """Pages by the index: the time does not grow with the number of orders."""

    ordering = ("-created_at", "-id")
    page_size = 50

    def decode_cursor(self, request: Request) -> Any:
        cursor = super().decode_cursor(request)
        if cursor is not None and not _is_timestamp(cursor.position):
            raise exceptions.NotFound
        return cursor


class _ServerView(BaseAPIView):
    throttle_classes = (throttling.ServerThrottle,)


class OrdersView(_ServerView, ListAPIView[PaymentOrder]):
    serializer_class = OrderResponseSerializer
    pagination_class = NewestFirstPagination
    filter_backends = ()

    def get_permissions(self) -> list[Any]:
        names = (
            (permissions.CREATE_PAYMENTS,)
            if self.request.method == "POST"
            else permissions.CAN_VIEW_PAYMENTS
        )
        return [requires(*names)()]

    def get_queryset(self) -> QuerySet[PaymentOrder]:
        rows = terminal_rights.limit(PaymentOrder.objects.all(), self.request.user)
        query = self.request.query_params
        if reference := query.get("reference", ""):
            rows = rows.filter(reference=_without_nul(reference))
        if (state := query.get("state")) is not None:
            if state not in OrderState.values:
                raise exceptions.ValidationError({"state": ["There is no such state."]})
            rows = rows.filter(state=state)
        return rows

    @operation_schema(
        {200: OrderResponseSerializer(many=True)},
        operation_id="list_orders",
        tags=["orders"],
        parameters=[
            OpenApiParameter("reference", str),
            OpenApiParameter("state", str, enum=OrderState.values),
        ],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List payments, newest first, in pages."""
        return self.list(request, *args, **kwargs)

    @operation_schema(
        {200: OrderResponseSerializer, 201: OrderResponseSerializer},
        body=OrderRequestSerializer,
        operation_id="create_order",
        tags=["orders"],
    )
    def post(self, request: Request) -> Response:
        """Create a payment attempt. 201 with a `client_secret` for the shopper's
        browser; 200 with the existing payment if one is live for this purchase.
        """
        data = validated_body(request, OrderRequestSerializer)
        terminal = data.get("terminal", "default")
        require_right_to_take(request, terminal, permissions.CREATE_PAYMENTS)

        def create_order() -> Response:
            order, created = create.get_or_create_order(**data)
            body = order_data(order, request) | {"client_secret": client_secret(order)}
            return Response(body, status=201 if created else 200)

        def secret(body: Any) -> str:
            return client_secret(get_order_or_404(request, body["id"]))

        return idempotency.run_in_transaction(
            idempotency.IdempotencyKey(request, request.data), create_order, secret
        )


class OrderView(_ServerView):
    permission_classes = (requires(*permissions.CAN_VIEW_PAYMENTS),)

    @operation_schema(
        {200: OrderResponseSerializer}, operation_id="read_order", tags=["orders"]
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """Read a payment. Nothing is sent to Nexi."""
        return Response(order_data(get_order_or_404(request, id), request))


class OperationsView(_ServerView):
    permission_classes = (requires(*permissions.CAN_VIEW_PAYMENTS),)

    @operation_schema(
        {200: OperationDetailResponseSerializer(many=True)},
        operation_id="list_operations",
        tags=["orders"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """List all requests to Nexi for this payment, oldest first."""
        rows = get_order_or_404(request, id).operations.select_related("order")
        return Response([OperationDetailResponseSerializer(row).data for row in rows])


class _OperationView(_ServerView):
    """Capture, void, refund or cancel a capture: one operation for each key."""

    #: needs its right on the payment's terminal
    permission: str

    def run_operation(
        self, request: Request, order_id: str, submit: Callable[..., Operation]
    ) -> Response:
        order = get_order_or_404(request, order_id, self.permission)
        key = idempotency.IdempotencyKey(request, request.data)

        def action() -> Response:
            operation = None
            with suppress(OutcomeNotRecorded):
                operation = submit(
                    order, nonce=key.nonce, actor=authentication.actor(request)
                )
            if operation is None:
                operation = order.operations.get(nonce=key.nonce)
            order.refresh_from_db()
            operation.order = order
            result = {"operation": operation, "order": order}
            return Response(
                OperationResponseSerializer(result, context={"request": request}).data
            )

        return idempotency.run_once(key, action)


class CaptureView(_OperationView):
    permission = permissions.CAPTURE
    permission_classes = (requires(permissions.CAPTURE),)

    @operation_schema(
        {200: OperationResponseSerializer},
        body=CaptureRequestSerializer,
        operation_id="capture_order",
        tags=["orders"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Capture an authorization, in full or in part. `operation.outcome` is
        "accepted" until Nexi confirms the capture."""
        data = validated_body(request, CaptureRequestSerializer)
        return self.run_operation(
            request, id, lambda order, **call: flows.capture(order, **data, **call)
        )


class VoidView(_OperationView):
    permission = permissions.VOID
    permission_classes = (requires(permissions.VOID),)

    @operation_schema(
        {200: OperationResponseSerializer},
        body=EmptyRequestSerializer,
        operation_id="void_order",
        tags=["orders"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Void an authorization of which nothing was captured."""
        validated_body(request, EmptyRequestSerializer)
        return self.run_operation(request, id, flows.void)


class RefundView(_OperationView):
    permission = permissions.REFUND
    permission_classes = (requires(permissions.REFUND),)

    @operation_schema(
        {200: OperationResponseSerializer},
        body=RefundRequestSerializer,
        operation_id="refund_order",
        tags=["orders"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Refund what was captured, in full or in part. `operation.outcome` is
        "accepted" until Nexi confirms the refund."""
        data = validated_body(request, RefundRequestSerializer)
        capture_id = data.pop("capture", None)

        def submit(order: PaymentOrder, **call: Any) -> Operation:
            capture = None if capture_id is None else _get_capture(order, capture_id)
            return flows.refund(order, capture=capture, **data, **call)

        return self.run_operation(request, id, submit)


class CancelCaptureView(_OperationView):
    permission = permissions.CANCEL_CAPTURE
    permission_classes = (requires(permissions.CANCEL_CAPTURE),)

    @operation_schema(
        {200: OperationResponseSerializer},
        body=CancelCaptureRequestSerializer,
        operation_id="cancel_capture",
        tags=["orders"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Cancel a whole capture on the day it was made. The amount is authorized
        again. `operation.outcome` is "accepted" until Nexi confirms."""
        data = validated_body(request, CancelCaptureRequestSerializer)
        capture_id = data.get("capture")

        def submit(order: PaymentOrder, **call: Any) -> Operation:
            capture = None if capture_id is None else _get_capture(order, capture_id)
            return flows.cancel_capture(order, capture, **call)

        return self.run_operation(request, id, submit)


class CancelView(_ServerView):
    permission_classes = (requires(permissions.VOID),)

    @operation_schema(
        {200: OrderResponseSerializer},
        body=CancelRequestSerializer,
        operation_id="cancel_order",
        tags=["orders"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Cancel a payment that is not paid: its pages accept no card any more. Also
        cancels the attempts that the shopper made with other cards. Nothing is sent to
        Nexi. 409 `order_busy` while a charge is under way; 409 `already_charged` if
        money is held or taken: void or refund the payment `order`."""
        data = validated_body(request, CancelRequestSerializer)
        order = get_order_or_404(request, id, permissions.VOID)

        def action() -> Response:
            reason, actor = data["reason"], authentication.actor(request)
            flows.cancel(order, reason, actor=actor)
            return Response(order_data(order, request))

        return idempotency.run_once(
            idempotency.IdempotencyKey(request, request.data), action
        )


class ReconcileView(_ServerView):
    permission_classes = (requires(permissions.RECONCILE),)

    @operation_schema(
        {200: OrderResponseSerializer},
        body=EmptyRequestSerializer,
        operation_id="reconcile_order",
        tags=["orders"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Reconcile this payment now: send a status inquiry to Nexi and record what
        the response proves."""
        validated_body(request, EmptyRequestSerializer)
        order = get_order_or_404(request, id)

        def action() -> Response:
            inquire(order, actor=authentication.actor(request))
            return Response(order_data(order, request))

        return idempotency.run_once(
            idempotency.IdempotencyKey(request, request.data), action
        )


def get_order_or_404(
    request: Request, order_id: str, permission: str = permissions.VIEW_PAYMENTS
) -> PaymentOrder:
    """Errors as ``require_right``."""
    order = PaymentOrder.find_by_order_id(order_id)
    if order is None:
        raise Http404
    require_right(request, order.terminal, permission)
    return order


def _get_capture(order: PaymentOrder, operation_id: int) -> Operation:
    capture = flows.available(order).find_capture(operation_id)
    if capture is None:
        raise Problem(409, "capture_not_found", "This payment has no such capture.")
    return capture.operation


def _is_timestamp(position: Any) -> bool:
    if position is None:
        return True
    with suppress(ValueError):
        return parse_datetime(str(position)) is not None
    return False


def _without_nul(text: str) -> str:
    """PostgreSQL rejects NUL characters in text."""
    return text.replace("\0", "")
