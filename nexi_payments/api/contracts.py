"""Contracts (saved cards) for the shop's server: list, read, charge, end."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import flows, permissions, terminal_rights
from nexi_payments.api import authentication, idempotency, throttling
from nexi_payments.api.openapi import operation_schema
from nexi_payments.api.orders import NewestFirstPagination
from nexi_payments.api.permissions import require_right, requires
from nexi_payments.api.request_serializers import (
    ChargeRequestSerializer,
    EmptyRequestSerializer,
)
from nexi_payments.api.response_serializers import (
    ContractResponseSerializer,
    OrderResponseSerializer,
    order_data,
)
from nexi_payments.api.views import BaseAPIView, validated_body
from nexi_payments.enums import ContractState
from nexi_payments.exceptions import OutcomeNotRecorded
from nexi_payments.models import Contract, PaymentOrder


class _ServerView(BaseAPIView):
    throttle_classes = (throttling.ServerThrottle,)


class ContractsView(_ServerView, ListAPIView[Contract]):
    serializer_class = ContractResponseSerializer
    pagination_class = NewestFirstPagination
    filter_backends = ()
    permission_classes = (requires(*permissions.CAN_VIEW_CONTRACTS),)

    def get_queryset(self) -> QuerySet[Contract]:
        rows = terminal_rights.limit(Contract.objects.all(), self.request.user)
        query = self.request.query_params
        if customer := query.get("customer_id", ""):
            rows = rows.filter(customer_id=customer.replace("\0", ""))
        if (state := query.get("state")) is not None:
            if state not in ContractState.values:
                raise exceptions.ValidationError({"state": ["There is no such state."]})
            rows = rows.filter(state=state)
        return rows

    @operation_schema(
        {200: ContractResponseSerializer(many=True)},
        operation_id="list_contracts",
        tags=["contracts"],
        parameters=[
            OpenApiParameter("customer_id", str),
            OpenApiParameter("state", str, enum=ContractState.values),
        ],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List contracts, newest first, in pages. Nothing is sent to Nexi."""
        return self.list(request, *args, **kwargs)


class ContractView(_ServerView):
    permission_classes = (requires(*permissions.CAN_VIEW_CONTRACTS),)

    @operation_schema(
        {200: ContractResponseSerializer},
        operation_id="read_contract",
        tags=["contracts"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """Read a contract. Nothing is sent to Nexi."""
        contract = _get_contract_or_404(request, id)
        return Response(ContractResponseSerializer(contract).data)


class ChargeContractView(_ServerView):
    permission_classes = (requires(permissions.CHARGE_CONTRACT),)

    @operation_schema(
        {200: OrderResponseSerializer},
        body=ChargeRequestSerializer,
        operation_id="charge_contract",
        tags=["contracts"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Charge the saved card once for each `reference`, with any key. Check
        `state`: "paying" means that the outcome is not known yet."""
        data = validated_body(request, ChargeRequestSerializer)
        contract = _get_contract_or_404(request, id, permissions.CHARGE_CONTRACT)

        key = idempotency.IdempotencyKey(request, request.data)

        def action() -> Response:
            order = None
            with suppress(OutcomeNotRecorded):
                order = flows.charge_contract(
                    contract,
                    **data,
                    actor=authentication.actor(request),
                    nonce=key.nonce,
                )
            if order is None:
                # the outcome is not recorded yet: find the order by its reference
                rows = PaymentOrder.objects.filter(contract=contract)
                order = rows.get(live_reference=data["reference"])
            return Response(order_data(order, request))

        return idempotency.run_once(key, action)


class EndContractView(_ServerView):
    permission_classes = (requires(permissions.END_CONTRACT),)

    @operation_schema(
        {200: ContractResponseSerializer},
        body=EmptyRequestSerializer,
        operation_id="end_contract",
        tags=["contracts"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """End the contract, here and at Nexi: no further charges. Idempotent."""
        validated_body(request, EmptyRequestSerializer)
        contract = _get_contract_or_404(request, id, permissions.END_CONTRACT)

        def action() -> Response:
            flows.end_contract(contract, actor=authentication.actor(request))
            return Response(ContractResponseSerializer(contract).data)

        return idempotency.run_once(
            idempotency.IdempotencyKey(request, request.data), action
        )


def _get_contract_or_404(
    request: Request, contract_id: str, permission: str = permissions.VIEW_CONTRACTS
) -> Contract:
    """Errors as ``require_right``."""
    known = contract_id.replace("\0", "")[:64]
    contract = get_object_or_404(Contract, contract_id=known)
    require_right(request, contract.terminal, permission)
    return contract
