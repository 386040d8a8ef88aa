"""For the shop's server: its own credentials, a permission for each deed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import flows, states
from nexi_payments.api import access, keys
from nexi_payments.api.answers import DoneOut, OperationOut, OrderOut
from nexi_payments.api.base import View, read
from nexi_payments.api.bodies import CancelIn, NothingIn, OrderIn, PartIn, RefundIn
from nexi_payments.api.description import described
from nexi_payments.api.possession import client_secret, is_public_id
from nexi_payments.api.problems import Problem
from nexi_payments.exceptions import OutcomeNotRecorded
from nexi_payments.models import Operation, PaymentOrder


class Newest(CursorPagination):
    """By the index, however many orders there are."""

    ordering = ("-created_at", "-id")
    page_size = 50

    def decode_cursor(self, request: Request) -> Any:
        cursor = super().decode_cursor(request)
        if cursor is not None and not _is_time(cursor.position):
            raise exceptions.NotFound
        return cursor


class _Server(View):
    throttle_classes = (access.ServerThrottle,)


class Orders(_Server, ListAPIView[PaymentOrder]):
    serializer_class = OrderOut
    pagination_class = Newest
    filter_backends = ()

    def get_permissions(self) -> list[Any]:
        names = (access.CREATE,) if self.request.method == "POST" else access.READERS
        return [access.may(*names)()]

    def get_queryset(self) -> QuerySet[PaymentOrder]:
        rows = PaymentOrder.objects.all()
        asked = self.request.query_params
        if reference := asked.get("reference", ""):
            rows = rows.filter(reference=_plain(reference))
        if (state := asked.get("state")) is not None:
            if state not in states.STATES:
                raise exceptions.ValidationError({"state": ["There is no such state."]})
            rows = rows.filter(state=state)
        return rows

    @described(
        {200: OrderOut(many=True)},
        operation_id="list_orders",
        tags=["orders"],
        parameters=[
            OpenApiParameter("reference", str),
            OpenApiParameter("state", str, enum=states.STATES),
        ],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Newest first, page by page."""
        return self.list(request, *args, **kwargs)

    @described(
        {200: OrderOut, 201: OrderOut},
        body=OrderIn,
        operation_id="create_order",
        tags=["orders"],
    )
    def post(self, request: Request) -> Response:
        """One attempt to be paid. 201 with a `client_secret` for the browser that is to
        pay; 200 when a payment of this purchase is live already: that one.
        """
        data = read(request, OrderIn)

        def create() -> Response:
            started = timezone.now()
            order = flows.create_order(**data)
            new = order.created_at >= started
            body = {**OrderOut(order).data, "client_secret": client_secret(order)}
            return Response(body, status=201 if new else 200)

        def secret(body: Any) -> str:
            return client_secret(PaymentOrder(public_id=body["id"]))

        return keys.in_one_commit(keys.Key(request, request.data), create, secret)


class Order(_Server):
    permission_classes = (access.may(*access.READERS),)

    @described({200: OrderOut}, operation_id="read_order", tags=["orders"])
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """One payment, as it stands here; nobody is asked."""
        return Response(OrderOut(order_of(id)).data)


class Operations(_Server):
    permission_classes = (access.may(*access.READERS),)

    @described(
        {200: OperationOut(many=True)}, operation_id="operations", tags=["orders"]
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """Everything that was sent to Nexi for this payment, oldest first."""
        rows = order_of(id).operations.select_related("order")
        shown = [OperationOut(row).data for row in rows]
        return Response(shown)


class _Deed(_Server):
    """Capture, void or refund: one operation, whatever becomes of it."""

    def done(
        self, request: Request, public_id: str, ask: Callable[..., Operation]
    ) -> Response:
        order = order_of(public_id)
        key = keys.Key(request, request.data)

        def work() -> Response:
            operation = None
            with suppress(OutcomeNotRecorded):
                operation = ask(order, nonce=key.nonce, actor=access.actor(request))
            if operation is None:
                operation = order.operations.get(nonce=key.nonce)
            order.refresh_from_db()
            operation.order = order
            return Response(DoneOut({"operation": operation, "order": order}).data)

        return keys.once(key, work)


class Capture(_Deed):
    permission_classes = (access.may(access.CAPTURE),)

    @described({200: DoneOut}, body=PartIn, operation_id="capture", tags=["orders"])
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Books an authorization, whole or in part. Look at `operation.outcome`:
        "accepted" until Nexi confirms."""
        data = read(request, PartIn)
        return self.done(
            request, id, lambda order, **of: flows.capture(order, **data, **of)
        )


class Void(_Deed):
    permission_classes = (access.may(access.VOID),)

    @described({200: DoneOut}, body=NothingIn, operation_id="void", tags=["orders"])
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Releases an authorization of which nothing was captured."""
        read(request, NothingIn)
        return self.done(request, id, flows.void)


class Refund(_Deed):
    permission_classes = (access.may(access.REFUND),)

    @described({200: DoneOut}, body=RefundIn, operation_id="refund", tags=["orders"])
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Gives back what was captured, whole or in part. Look at `operation.outcome`:
        "accepted" until Nexi confirms."""
        data = read(request, RefundIn)
        number = data.pop("capture", None)

        def ask(order: PaymentOrder, **of: Any) -> Operation:
            capture = None if number is None else _capture(order, number)
            return flows.refund(order, capture=capture, **data, **of)

        return self.done(request, id, ask)


class Cancel(_Deed):
    permission_classes = (access.may(access.CANCEL),)

    @described({200: DoneOut}, body=CancelIn, operation_id="cancel", tags=["orders"])
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Rolls back a whole capture, on its day: the amount is reserved again. Look at
        `operation.outcome`: "accepted" until Nexi confirms."""
        number = read(request, CancelIn).get("capture")

        def ask(order: PaymentOrder, **of: Any) -> Operation:
            capture = None if number is None else _capture(order, number)
            return flows.cancel_capture(order, capture, **of)

        return self.done(request, id, ask)


class Reconcile(_Server):
    permission_classes = (access.may(access.ASK),)

    @described(
        {200: OrderOut}, body=NothingIn, operation_id="reconcile", tags=["orders"]
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Asks Nexi about this payment now. Changes what its answer proves."""
        read(request, NothingIn)
        order = order_of(id)

        def work() -> Response:
            flows.reconcile(order)
            order.refresh_from_db()
            return Response(OrderOut(order).data)

        return keys.once(keys.Key(request, request.data), work)


def order_of(public_id: str) -> PaymentOrder:
    if not is_public_id(public_id):
        raise Http404
    return get_object_or_404(PaymentOrder, public_id=public_id)


def _capture(order: PaymentOrder, number: int) -> Operation:
    found = order.operations.filter(
        pk=number, kind=states.CAPTURE, outcome=states.DONE
    ).first()
    if found is None:
        raise Problem(409, "no_such_capture", "This payment has no such capture.")
    return found


def _is_time(position: Any) -> bool:
    if position is None:
        return True
    with suppress(ValueError):
        return parse_datetime(str(position)) is not None
    return False


def _plain(text: str) -> str:
    """Databases refuse a NUL in a text."""
    return text.replace("\0", "")
