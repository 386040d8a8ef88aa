"""Approvals for the shop's server: list, read, approve, refuse.

The credentials are those of a person, or of a program that acts for one: nobody
approves what the same user asked for.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import flows, permissions, terminal_rights
from nexi_payments.api import authentication, idempotency, throttling
from nexi_payments.api.openapi import operation_schema
from nexi_payments.api.orders import NewestFirstPagination
from nexi_payments.api.permissions import requires
from nexi_payments.api.request_serializers import (
    EmptyRequestSerializer,
    RefuseApprovalRequestSerializer,
)
from nexi_payments.api.response_serializers import ApprovalResponseSerializer
from nexi_payments.api.views import BaseAPIView, validated_body
from nexi_payments.enums import ApprovalState
from nexi_payments.exceptions import OutcomeNotRecorded
from nexi_payments.models import Approval

_ID: Final = OpenApiParameter("id", int, OpenApiParameter.PATH)
#: of a 64-bit number
_MOST_DIGITS: Final = 19


class _ServerView(BaseAPIView):
    throttle_classes = (throttling.ServerThrottle,)


class ApprovalsView(_ServerView, ListAPIView[Approval]):
    serializer_class = ApprovalResponseSerializer
    pagination_class = NewestFirstPagination
    filter_backends = ()
    permission_classes = (requires(*permissions.CAN_VIEW_PAYMENTS),)

    def get_queryset(self) -> QuerySet[Approval]:
        rows = Approval.objects.select_related("order")
        rows = terminal_rights.limit(rows, self.request.user)
        if (state := self.request.query_params.get("state")) is not None:
            if state not in ApprovalState.values:
                raise exceptions.ValidationError({"state": ["There is no such state."]})
            rows = rows.filter(state=state)
        return rows

    @operation_schema(
        {200: ApprovalResponseSerializer(many=True)},
        operation_id="list_approvals",
        tags=["approvals"],
        parameters=[OpenApiParameter("state", str, enum=ApprovalState.values)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List requests for approval, newest first, in pages."""
        return self.list(request, *args, **kwargs)


class ApprovalView(_ServerView):
    permission_classes = (
        requires(*permissions.CAN_VIEW_PAYMENTS, permissions.TAKE_MOTO),
    )

    @operation_schema(
        {200: ApprovalResponseSerializer},
        operation_id="read_approval",
        parameters=[_ID],
        tags=["approvals"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """Read a request for approval. Who asked for it may read it, too."""
        approval = _get_approval_or_404(request, id)
        _require_any(request, approval, *permissions.CAN_VIEW_PAYMENTS)
        return Response(ApprovalResponseSerializer(approval).data)


class ApproveView(_ServerView):
    permission_classes = (requires(permissions.APPROVE),)

    @operation_schema(
        {200: ApprovalResponseSerializer},
        body=EmptyRequestSerializer,
        operation_id="approve",
        parameters=[_ID],
        tags=["approvals"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Approve a request of another user. A refund is sent at once: see
        `operation`. A phone order then waits 24 hours for its card: the user who asked
        sends `moto/` again. If amount, state or permissions have changed, the request
        is outdated, and nothing is sent."""
        validated_body(request, EmptyRequestSerializer)
        approval = _get_approval_or_404(request, id)

        def action() -> Response:
            with suppress(OutcomeNotRecorded):
                flows.approve(approval, actor=authentication.actor(request))
            approval.refresh_from_db()
            return Response(ApprovalResponseSerializer(approval).data)

        return idempotency.run_once(
            idempotency.IdempotencyKey(request, request.data), action
        )


class RefuseView(_ServerView):
    permission_classes = (
        requires(permissions.APPROVE, permissions.REFUND, permissions.TAKE_MOTO),
    )

    @operation_schema(
        {200: ApprovalResponseSerializer},
        body=RefuseApprovalRequestSerializer,
        operation_id="refuse_approval",
        parameters=[_ID],
        tags=["approvals"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Refuse a request of another user, or withdraw one's own. Nothing is sent to
        Nexi."""
        data = validated_body(request, RefuseApprovalRequestSerializer)
        approval = _get_approval_or_404(request, id)
        _require_any(request, approval, permissions.APPROVE)

        def action() -> Response:
            reason, actor = data["reason"], authentication.actor(request)
            flows.refuse_approval(approval, reason=reason, actor=actor)
            return Response(ApprovalResponseSerializer(approval).data)

        return idempotency.run_once(
            idempotency.IdempotencyKey(request, request.data), action
        )


def _require_any(request: Request, approval: Approval, *names: str) -> None:
    """Raises ``PermissionDenied`` without one of these, unless it is one's own."""
    if not approval.is_by(request.user) and not permissions.user_has_any(
        request.user, *names
    ):
        raise PermissionDenied


def _get_approval_or_404(request: Request, id_: str) -> Approval:
    if not (id_.isascii() and id_.isdecimal() and len(id_) < _MOST_DIGITS):
        raise Http404  # as JSON; a converter of the path would leave it to Django
    rows = Approval.objects.select_related("order")
    approval = terminal_rights.limit(rows, request.user).filter(pk=int(id_)).first()
    if approval is None:
        raise Http404
    return approval
