"""Cards on file, for the shop's server: listed, charged, ended."""

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

from nexi_payments import flows, states
from nexi_payments.api import access, keys
from nexi_payments.api.answers import ContractOut, OrderOut
from nexi_payments.api.base import View, read
from nexi_payments.api.bodies import ChargeIn, NothingIn
from nexi_payments.api.description import described
from nexi_payments.api.orders import Newest
from nexi_payments.exceptions import OutcomeNotRecorded
from nexi_payments.models import Contract, PaymentOrder


class _Server(View):
    throttle_classes = (access.ServerThrottle,)


class Contracts(_Server, ListAPIView[Contract]):
    serializer_class = ContractOut
    pagination_class = Newest
    filter_backends = ()
    permission_classes = (access.may(*access.CONTRACT_READERS),)

    def get_queryset(self) -> QuerySet[Contract]:
        rows = Contract.objects.all()
        asked = self.request.query_params
        if customer := asked.get("customer_id", ""):
            rows = rows.filter(customer_id=customer.replace("\0", ""))
        if (state := asked.get("state")) is not None:
            if state not in states.CONTRACT_STATES:
                raise exceptions.ValidationError({"state": ["There is no such state."]})
            rows = rows.filter(state=state)
        return rows

    @described(
        {200: ContractOut(many=True)},
        operation_id="list_contracts",
        tags=["contracts"],
        parameters=[
            OpenApiParameter("customer_id", str),
            OpenApiParameter("state", str, enum=states.CONTRACT_STATES),
        ],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Newest first, page by page, as they stand here."""
        return self.list(request, *args, **kwargs)


class OneContract(_Server):
    permission_classes = (access.may(*access.CONTRACT_READERS),)

    @described({200: ContractOut}, operation_id="read_contract", tags=["contracts"])
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """One card on file, as it stands here; nobody is asked."""
        return Response(ContractOut(_contract(id)).data)


class Charge(_Server):
    permission_classes = (access.may(access.CHARGE_CONTRACT),)

    @described(
        {200: OrderOut}, body=ChargeIn, operation_id="charge", tags=["contracts"]
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Charges the card, once for `reference`, whatever the key. Look at `state`:
        "paying" while nobody knows."""
        data = read(request, ChargeIn)
        contract = _contract(id)

        key = keys.Key(request, request.data)

        def work() -> Response:
            order = None
            with suppress(OutcomeNotRecorded):
                order = flows.charge_contract(
                    contract, **data, actor=access.actor(request), nonce=key.nonce
                )
            if order is None:
                # its outcome is not known here yet: it is found by its reference
                rows = PaymentOrder.objects.filter(contract=contract)
                order = rows.get(live_reference=data["reference"])
            return Response(OrderOut(order).data)

        return keys.once(key, work)


class End(_Server):
    permission_classes = (access.may(access.END_CONTRACT),)

    @described(
        {200: ContractOut}, body=NothingIn, operation_id="end", tags=["contracts"]
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """No charge is made from now on; Nexi is told. Again is harmless."""
        read(request, NothingIn)
        contract = _contract(id)

        def work() -> Response:
            flows.end_contract(contract, actor=access.actor(request))
            return Response(ContractOut(contract).data)

        return keys.once(keys.Key(request, request.data), work)


def _contract(contract_id: str) -> Contract:
    return get_object_or_404(Contract, contract_id=contract_id.replace("\0", "")[:64])
