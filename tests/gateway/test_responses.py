"""The tolerant reader, on the published samples and on their cousins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nexi_payments.exceptions import MismatchedResponse, UnknownOutcome
from nexi_payments.gateway import responses, result_codes
from nexi_payments.gateway.client import CallContext, Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.result_codes import DeclineAdvice, decline_advice
from tests.gateway.test_payloads import API, BASE, CARD, wire  # noqa: F401

SAMPLES = {name: item["value"] for name, item in API["components"]["examples"].items()}


def test_the_published_init() -> None:
    answer = responses.parse_init(SAMPLES["InitResponsePending"])
    assert answer.auth_url == "https://xpaysandbox.nexigroup.com/monetaweb/phoenixstos"
    assert (answer.auth_request, answer.enrollment) == ("notneeded", "ENROLLED")
    operation = answer.operation
    assert (operation.operation_id, operation.result) == (
        "700000000000000001",
        "PENDING",
    )
    assert (operation.amount, operation.currency) == (1250, "EUR")
    assert operation.time == datetime(2025, 2, 3, 9, 15, 28, 1000, tzinfo=UTC)


def test_the_published_validation() -> None:
    answer = responses.parse_validation(SAMPLES["ValidationOk"])
    assert (answer.eci, answer.status) == ("05", "VALIDATED")
    assert answer.value == "AAABBBCCCDDDEEEFFFGGGHHHIII="
    assert answer.operation.currency == "EUR"  # "978"
    failed = responses.parse_validation(SAMPLES["ValidationFailed"])
    assert (failed.value, failed.operation.result) == ("", "THREEDS_FAILED")


def test_the_published_payments() -> None:
    executed = responses.parse_payment(SAMPLES["PaymentExecuted"])
    assert (executed.result, executed.response_code) == ("EXECUTED", "000")
    assert (executed.authorization_code, executed.brand) == ("123456", "VISA")
    assert responses.parse_payment(SAMPLES["PaymentAuthorized"]).result == "AUTHORIZED"
    declined = responses.parse_payment(SAMPLES["PaymentDeclined"])
    assert (declined.result, declined.response_code) == ("DECLINED", "116")


def test_the_published_orders() -> None:
    captured = responses.parse_order(SAMPLES["OrderCaptured"])
    assert (captured.order_id, captured.authorized, captured.captured) == (
        "SHOP2024000123",
        1250,
        1250,
    )
    assert len(captured.operations) == 1
    voided = responses.parse_order(SAMPLES["OrderVoided"])
    assert [o.result for o in voided.operations] == ["EXECUTED", "VOIDED"]
    assert voided.authorized == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-02-03 10:15:28.001", "2025-02-03T09:15:28.001000+00:00"),
        ("2025-07-03 10:15:28.001", "2025-07-03T08:15:28.001000+00:00"),
        ("2025-07-03T10:15:28Z", "2025-07-03T10:15:28+00:00"),
        ("2025-07-03T10:15:28+02:00", "2025-07-03T08:15:28+00:00"),
    ],
)
def test_times(text: str, expected: str) -> None:
    moment = responses.parse_operation({"operationTime": text}).time
    assert moment is not None
    assert moment.isoformat() == expected


@pytest.mark.parametrize("odd", ["", None, "soon", 7, [], "2025-13-01"])
def test_odd_times_are_absent(odd: Any) -> None:
    assert responses.parse_operation({"operationTime": odd}).time is None


@pytest.mark.parametrize(
    ("value", "amount", "odd"),
    [
        ("1250", 1250, False),
        (1250, 1250, False),
        ("0100", 100, False),
        ("0", 0, False),
        (None, None, False),
        ("", None, False),
        ("100.00", None, True),
        ("1 250", None, True),
        ("-1", None, True),
        (-1, None, True),
        (12.5, None, True),
        (True, None, True),
        ("１２", None, True),
        ("1" * 13, None, True),
        ([], None, True),
    ],
)
def test_amounts(value: Any, amount: int | None, odd: bool) -> None:
    read = responses.parse_operation({"operationAmount": value})
    assert (read.amount, read.invalid_members) == (amount, ("amount",) if odd else ())


def test_odd_shapes_read_as_absent() -> None:
    for odd in (None, "x", 7, [], {"operation": []}, {"operation": "x"}):
        assert responses.parse_payment(odd) == responses.OperationResult()
        assert responses.parse_init(odd).operation == responses.OperationResult()
        assert responses.parse_validation(odd).value == ""
    assert not responses.parse_order([]).readable
    assert not responses.parse_order({"operations": {}}).readable
    assert responses.parse_order({"operations": None}).readable


def test_words_and_warnings() -> None:
    read = responses.parse_operation(
        {
            "operationResult": " executed ",
            "operationId": 7,
            "warnings": ["x", {"code": "003"}, {"code": None}, 9, None],
            "additionalData": "x",
            "surprise": [1],
        }
    )
    assert (read.result, read.operation_id) == ("EXECUTED", "7")
    assert read.warnings == ("x", "003", "9")


def pay(wire: Any, **members: Any) -> responses.OperationResult:  # noqa: F811
    from nexi_payments.gateway.payloads import Authentication, Purchase

    operation = {
        "orderId": "A",
        "operationId": "7",
        "operationResult": "EXECUTED",
        "operationAmount": "1250",
        "operationCurrency": "EUR",
        **members,
    }
    wire.post(f"{BASE}/orders/3steps/payment", json={"operation": operation})
    client = Client(base_url=BASE, api_key="k")
    trace = CallContext("c", Deadline(5))
    proof = Authentication(value="x")
    purchase = Purchase("A", 1250, "EUR")
    return client.pay("3steps", purchase, CARD, "7", proof, "IMPLICIT", trace)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("orderId", "B"),
        ("operationId", "8"),
        ("operationAmount", "1251"),
        ("operationAmount", "12.50"),
        ("operationCurrency", "USD"),
        ("operationCurrency", "840"),
    ],
)
@pytest.mark.parametrize("result", ["EXECUTED", "DECLINED", "PENDING"])
def test_another_member_is_a_bad_answer(
    wire: Any,  # noqa: F811
    member: str,
    value: str,
    result: str,
) -> None:
    with pytest.raises(MismatchedResponse) as caught:
        pay(wire, **{member: value, "operationResult": result})
    assert caught.value.cause == member


@pytest.mark.parametrize(
    "member", ["orderId", "operationId", "operationAmount", "operationCurrency"]
)
def test_an_absent_member(wire: Any, member: str) -> None:  # noqa: F811
    with pytest.raises(UnknownOutcome):
        pay(wire, **{member: None})
    assert pay(wire, **{member: None, "operationResult": "DECLINED"}).result == (
        "DECLINED"
    )


@pytest.mark.parametrize("currency", ["EUR", "978", "eur", " EUR "])
def test_our_currency_in_other_words(wire: Any, currency: str) -> None:  # noqa: F811
    assert pay(wire, operationCurrency=currency).currency == "EUR"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("116", DeclineAdvice.USE_OTHER_CARD),
        ("111", DeclineAdvice.CHECK_CARD_DATA),
        ("208", DeclineAdvice.DO_NOT_RETRY),
        ("413", DeclineAdvice.DO_NOT_RETRY),
        ("911", DeclineAdvice.TRY_LATER),
        ("100", DeclineAdvice.CONTACT_ISSUER),
        ("200", DeclineAdvice.CONTACT_ISSUER),
        ("", DeclineAdvice.CONTACT_ISSUER),
        ("x", DeclineAdvice.CONTACT_ISSUER),
    ],
)
def test_classes_of_declines(code: str, expected: str) -> None:
    assert decline_advice(code) == expected


def test_success_is_two_words_only() -> None:
    assert frozenset({"AUTHORIZED", "EXECUTED"}) == result_codes.CHARGED
    assert not result_codes.CHARGED & (
        result_codes.UNSUCCESSFUL | result_codes.IN_PROGRESS | result_codes.REVERSED
    )
