"""The least that can be done: one INSERT, and a POST and an UPDATE a gateway call."""

from __future__ import annotations

import os
import threading
from typing import Any

import requests
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from benchmarks.payment.models import BaselineRow
from benchmarks.payment.settings import GATEWAY

_local = threading.local()


def http_session() -> requests.Session:
    if getattr(_local, "session", None) is None:
        _local.session = requests.Session()
        _local.session.trust_env = False
        _local.session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    found: requests.Session = _local.session
    return found


def post_to_gateway(path: str, body: dict[str, Any]) -> dict[str, Any]:
    url = f"{GATEWAY}/api/phoenix-0.0/psp/api/v1/orders/{path}"
    answer = http_session().post(
        url, json=body, headers={"X-Api-Key": "benchmark"}, timeout=(3, 30)
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _body(row: BaselineRow, request: HttpRequest, **more: Any) -> dict[str, Any]:
    return {
        "order": {
            "orderId": row.order_id,
            "amount": str(row.amount),
            "currency": row.currency,
            "customerInfo": {"cardHolderName": request.POST["cardholder_name"]},
        },
        "card": {
            "pan": request.POST["card_number"],
            "expiryDate": request.POST["expiry"],
            "cvv": request.POST["security_code"],
        },
        **more,
    }


@csrf_exempt
def moto(request: HttpRequest) -> JsonResponse:
    row = BaselineRow.objects.create(
        order_id=request.POST["reference"], amount=1250, currency="EUR"
    )
    answer = post_to_gateway("moto", _body(row, request, captureType="IMPLICIT"))[
        "operation"
    ]
    BaselineRow.objects.filter(pk=row.pk).update(
        state=answer["operationResult"], operation_id=answer["operationId"]
    )
    return JsonResponse({"state": answer["operationResult"]})


def _begin(request: HttpRequest, flow: str) -> JsonResponse:
    row = BaselineRow.objects.create(
        order_id=request.POST["reference"], amount=1250, currency="EUR"
    )
    answer = post_to_gateway(f"{flow}/init", _body(row, request))
    operation = answer["operation"]["operationId"]
    BaselineRow.objects.filter(pk=row.pk).update(
        state="pending", operation_id=operation
    )
    return JsonResponse(
        {"action": answer["threeDSAuthUrl"], "back": row.pk, "operation": operation}
    )


def _finish(request: HttpRequest, flow: str) -> JsonResponse:
    row = BaselineRow.objects.get(pk=request.POST["back"])
    rows = BaselineRow.objects.filter(pk=row.pk)
    assert rows.filter(state="pending").update(state="paying")
    proof: dict[str, Any] = {"threeDSAuthResponse": request.POST["PaRes"]}
    if flow == "3steps":
        asked = {"operationId": row.operation_id, **proof}
        proof = post_to_gateway("3steps/validation", asked)["threeDSAuthResult"]
    more = {
        "operationId": row.operation_id,
        "captureType": "IMPLICIT",
        "threeDSAuthData": proof,
    }
    answer = post_to_gateway(f"{flow}/payment", _body(row, request, **more))[
        "operation"
    ]
    rows.update(state=answer["operationResult"])
    return JsonResponse({"state": answer["operationResult"]})


@csrf_exempt
def moto_with_queries(request: HttpRequest) -> JsonResponse:
    """As many queries as ours: what would be left if our own Python were free."""
    answer = moto(request)
    run_queries(statements=8, transactions=3)
    return answer


@csrf_exempt
def finish_three_steps_with_queries(request: HttpRequest) -> JsonResponse:
    answer = finish_three_steps(request)
    run_queries(statements=19, transactions=7)
    return answer


def run_queries(statements: int, transactions: int) -> None:
    """The shortest there are, in the shortest of transactions."""
    for number in range(transactions):
        with transaction.atomic(), connection.cursor() as cursor:
            for _ in range(number, statements, transactions):
                cursor.execute("SELECT 1")


@csrf_exempt
def begin_two_steps(request: HttpRequest) -> JsonResponse:
    return _begin(request, "2steps")


@csrf_exempt
def finish_two_steps(request: HttpRequest) -> JsonResponse:
    return _finish(request, "2steps")


@csrf_exempt
def begin_three_steps(request: HttpRequest) -> JsonResponse:
    return _begin(request, "3steps")


@csrf_exempt
def finish_three_steps(request: HttpRequest) -> JsonResponse:
    return _finish(request, "3steps")
