"""Every published answer through the reader, to the last member."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexi_payments.exceptions import GatewayError, MismatchedResponse, UnknownOutcome
from nexi_payments.gateway import payloads, responses
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.gateway.payment_methods import PaymentMethod
from nexi_payments.gateway.responses import (
    InitResult,
    OperationResult,
    OrderResult,
    ValidationResult,
)
from tests.gateway.test_payloads import API, BASE, CARD, client, schema, trace, wire

__all__ = ["client", "wire"]  # fixtures

PAYMENT = OperationResult(
    order_id="SHOP2024000123",
    operation_id="700000000000000001",
    type="AUTHORIZATION",
    amount=1250,
    currency="EUR",
)


def changed(base: OperationResult, **members: Any) -> OperationResult:
    return OperationResult(**{**vars(base), **members})


VOID = changed(
    PAYMENT,
    operation_id="9f1e2d3c-0000-4000-8000-000000000001",
    type="REFUND",
    result="VOIDED",
    channel="BACKOFFICE",
)
EXPECTED: dict[str, Any] = {
    "InitResponsePending": InitResult(
        changed(
            PAYMENT,
            result="PENDING",
            time=datetime(2025, 2, 3, 9, 15, 28, 1000, tzinfo=UTC),
            brand="VISA",
            payment_method="CARD",
            instrument="***4549",
        ),
        auth_url="https://xpaysandbox.nexigroup.com/monetaweb/phoenixstos",
        auth_request="notneeded",
        enrollment="ENROLLED",
    ),
    "ValidationOk": ValidationResult(
        changed(PAYMENT, result="THREEDS_VALIDATED"),
        value="AAABBBCCCDDDEEEFFFGGGHHHIII=",
        eci="05",
        xid="WFhYWFhYWFhYWFhYWFhYWFhYWFg=",
        status="VALIDATED",
    ),
    "ValidationFailed": ValidationResult(changed(PAYMENT, result="THREEDS_FAILED")),
    "PaymentExecuted": changed(
        PAYMENT,
        result="EXECUTED",
        time=datetime(2025, 2, 3, 9, 15, 30, 120000, tzinfo=UTC),
        brand="VISA",
        payment_method="CARD",
        response_code="000",
        authorization_code="123456",
    ),
    "PaymentAuthorized": changed(
        PAYMENT, result="AUTHORIZED", response_code="000", authorization_code="123456"
    ),
    "PaymentDeclined": changed(PAYMENT, result="DECLINED", response_code="116"),
    "OrderCaptured": OrderResult(
        order_id="SHOP2024000123",
        amount=1250,
        currency="EUR",
        authorized=1250,
        captured=1250,
        last_type="AUTHORIZATION",
        last_time=datetime(2025, 2, 3, 9, 15, 30, 120000, tzinfo=UTC),
        operations=(changed(PAYMENT, result="EXECUTED"),),
    ),
    "OrderVoided": OrderResult(
        order_id="SHOP2024000123",
        amount=1250,
        currency="EUR",
        authorized=0,
        captured=0,
        last_type="REFUND",
        last_time=datetime(2025, 2, 3, 11, tzinfo=UTC),
        operations=(changed(PAYMENT, result="EXECUTED"), VOID),
    ),
    "OperationRefundExecuted": OperationResult(
        order_id="SHOP2024000123",
        operation_id="9f1e2d3c-0000-4000-8000-000000000002",
        type="REFUND",
        result="EXECUTED",
        amount=300,
        currency="EUR",
        time=datetime(2025, 2, 4, 8, 0, tzinfo=UTC),
        channel="BACKOFFICE",
    ),
}
READERS: dict[str, Any] = {
    "Init": responses.parse_init,
    "Validation": responses.parse_validation,
    "Payment": responses.parse_payment,
    "Order": responses.parse_order,
    "Operation": responses.parse_operation,
}
SAMPLES = {name: item["value"] for name, item in API["components"]["examples"].items()}


def reader(name: str) -> Any:
    return next(READERS[start] for start in READERS if name.startswith(start))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_published_answer_reads_exactly(name: str) -> None:
    assert reader(name)(SAMPLES[name]) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_members_nobody_has_heard_of_change_nothing(name: str) -> None:
    def with_more(value: Any) -> Any:
        if isinstance(value, dict):
            return {**{k: with_more(v) for k, v in value.items()}, "new": {"x": [1]}}
        return [with_more(item) for item in value] if isinstance(value, list) else value

    assert reader(name)(with_more(SAMPLES[name])) == EXPECTED[name]


def test_no_published_answer_is_left_out() -> None:
    requests = {name for name in SAMPLES if "order" in SAMPLES[name]}
    assert EXPECTED.keys() == SAMPLES.keys() - requests


@pytest.mark.parametrize("absent", [None, "", "  "])
def test_absent_null_and_empty_are_the_same(absent: Any) -> None:
    texts = ["orderId", "operationId", "operationResult", "operationCurrency"]
    more = ["channel", "paymentCircuit", "operationTime", "warnings", "additionalData"]
    assert (
        responses.parse_operation(dict.fromkeys(texts + more, absent))
        == OperationResult()
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(
            sorted(API["components"]["schemas"]["Operation"]["properties"])
        ),
        json_values,
    ),
    json_values,
)
def test_the_reader_never_raises(operation: dict[str, Any], other: Any) -> None:
    whole = {"operation": operation, "operations": [operation], "orderStatus": other}
    for read in READERS.values():
        for body in (operation, other, whole, {"operation": other}):
            read(body)


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59-12:00", "\ud83d"]
)
def test_times_that_have_no_utc_are_absent(text: str) -> None:
    assert responses.parse_operation({"operationTime": text}).time is None


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2025-03-30 01:59:59", 0),  # the last second of winter
        ("2025-03-30 03:00:00", 1),  # the first of summer
        ("2025-10-26 01:59:59", 23),
        ("2025-10-26 03:00:00", 2),
        ("2025-07-03 10:15:28.001", 8),
        ("2025-12-03T10:15:28Z", 10),
        ("2025-12-03T10:15:28.123456+01:00", 9),
    ],
)
def test_zone_less_times_are_those_of_rome(text: str, hour: int) -> None:
    moment = responses.parse_operation({"operationTime": text}).time
    assert moment is not None
    assert (moment.hour, moment.tzinfo) == (hour, UTC)


@pytest.mark.parametrize("bad", ["a\x00", "a\nb", "\ud83d", "\x1b[31m", "a\u2028b"])
def test_texts_a_database_or_a_log_would_choke_on_are_absent(bad: str) -> None:
    assert json.loads(json.dumps(bad)) == bad  # a peer can send it
    body = {
        "orderId": bad,
        "operationId": bad,
        "operationResult": bad,
        "operationCurrency": bad,
        "warnings": [bad, {"code": bad}],
        "additionalData": {"authorizationCode": bad, "rrn": bad},
    }
    assert responses.parse_operation(body) == OperationResult()
    init = responses.parse_init({"threeDSAuthUrl": bad, "threeDSAuthRequest": bad})
    assert (init.auth_url, init.auth_request) == ("", "")


def test_long_texts_are_cut_to_what_is_stored() -> None:
    long = "x" * 500
    read = responses.parse_operation(
        {
            "operationResult": long,
            "warnings": [long] * 50,
            "additionalData": {
                "authorizationStatus": long,
                "authorizationCode": long,
                "rrn": long,
            },
        }
    )
    lengths = [read.result, read.response_code, read.authorization_code, read.rrn]
    assert [len(text) for text in lengths] == [32, 8, 16, 32]
    assert (len(read.warnings), len(read.warnings[0])) == (20, 64)


# -- about our payment, or not -------------------------------------------------------

PURCHASE = Purchase("SHOP2024000123", 1250, "EUR")
OURS = "700000000000000001"
OTHERS = [
    ("orderId", "SHOP2024000124"),
    ("operationAmount", "1251"),
    ("operationAmount", "1250.00"),
    ("operationAmount", True),
    ("operationCurrency", "USD"),
    ("operationCurrency", "euro"),
]


def init(it: Client, mock: Any, **members: Any) -> Any:
    operation = {**SAMPLES["InitResponsePending"]["operation"], **members}
    body = {**SAMPLES["InitResponsePending"], "operation": operation}
    mock.post(f"{BASE}/orders/3steps/init", json=body)
    return it.init("3steps", PURCHASE, CARD, trace())


def validate(it: Client, mock: Any, **members: Any) -> Any:
    operation = {**SAMPLES["ValidationOk"]["operation"], **members}
    body = {**SAMPLES["ValidationOk"], "operation": operation}
    mock.post(f"{BASE}/orders/3steps/validation", json=body)
    return it.validate(PURCHASE, OURS, "pares", trace())


@pytest.mark.parametrize(("member", "value"), OTHERS)
@pytest.mark.parametrize("call", [init, validate])
def test_an_answer_about_something_else(
    client: Client,
    wire: Any,
    call: Any,
    member: str,
    value: Any,
) -> None:
    with pytest.raises(MismatchedResponse) as caught:
        call(client, wire, **{member: value})
    assert (caught.value.cause, caught.value.status) == (member, 200)
    assert caught.value.__context__ is None


def test_a_validation_of_another_operation(client: Client, wire: Any) -> None:
    with pytest.raises(MismatchedResponse) as caught:
        validate(client, wire, operationId="700000000000000002")
    assert caught.value.cause == "operationId"


@pytest.mark.parametrize("member", ["orderId", "operationAmount", "operationCurrency"])
@pytest.mark.parametrize("call", [init, validate])
def test_what_is_absent_before_money_moves_is_no_harm(
    client: Client,
    wire: Any,
    call: Any,
    member: str,
) -> None:
    assert call(client, wire, **{member: None}).operation.operation_id == OURS


@pytest.mark.parametrize(
    ("call", "member"),
    [
        (init, "operationId"),
        (validate, "operationId"),
        (validate, "operationResult"),
    ],
)
def test_what_cannot_be_missing(
    client: Client,
    wire: Any,
    call: Any,
    member: str,
) -> None:
    with pytest.raises(UnknownOutcome):
        call(client, wire, **{member: ""})


def test_an_order_looked_up_is_ours_and_readable(client: Client, wire: Any) -> None:
    wire.get(f"{BASE}/orders/SHOP2024000123", json=SAMPLES["OrderCaptured"])
    assert client.order("SHOP2024000123", trace()) == EXPECTED["OrderCaptured"]
    wire.get(f"{BASE}/orders/OTHER", json=SAMPLES["OrderCaptured"])
    with pytest.raises(MismatchedResponse) as caught:
        client.order("OTHER", trace())
    assert caught.value.cause == "orderId"


@pytest.mark.parametrize(
    "body", [[], "x", 7, None, {"operations": "x"}, {"operations": [7]}]
)
def test_an_unreadable_order_says_nothing(
    client: Client,
    wire: Any,
    body: Any,
) -> None:
    wire.get(f"{BASE}/orders/A", body=json.dumps(body))
    with pytest.raises(UnknownOutcome):
        client.order("A", trace())


def test_an_operation_looked_up_is_the_one_asked_for(client: Client, wire: Any) -> None:
    sample = SAMPLES["OperationRefundExecuted"]
    wire.get(f"{BASE}/operations/{sample['operationId']}", json=sample)
    found = client.operation(sample["operationId"], trace())
    assert found == EXPECTED["OperationRefundExecuted"]
    wire.get(f"{BASE}/operations/other", json=sample)
    with pytest.raises(MismatchedResponse) as caught:
        client.operation("other", trace())
    assert caught.value.cause == "operationId"


def test_the_published_lists(client: Client, wire: Any) -> None:
    def published(path: str) -> Any:
        answers = API["paths"][path]["get"]["responses"]["200"]["content"]
        (example,) = answers["application/json"]["examples"].values()
        return example["value"]

    wire.get(f"{BASE}/payment_methods", json=published("/payment_methods"))
    assert client.payment_methods(trace()) == (
        PaymentMethod("CARD", "VISA", recurring=True, one_click=True),
        PaymentMethod("CARD", "MC", recurring=True, one_click=True),
    )
    wire.get(f"{BASE}/orders", json=published("/orders"))
    moment = datetime(2025, 2, 3, tzinfo=UTC)
    assert client.orders(trace(), since=moment, until=moment) == (
        OrderResult(
            *("SHOP2024000123", 1250, "EUR", 1250, 0, "AUTHORIZATION"),
            datetime(2025, 2, 3, 9, 15, 30, 120000, tzinfo=UTC),
        ),
    )


@pytest.mark.parametrize("name", ["generic", "currency", "typical"])
def test_the_published_errors(client: Client, wire: Any, name: str) -> None:
    shown: dict[str, Any] = {}
    for response in ("BadRequest", "ServerError"):
        content = API["components"]["responses"][response]["content"]
        shown |= content["application/json"]["examples"]
    codes = {"generic": "GW0001", "currency": "PS0009", "typical": "PS0000"}
    wire.get(f"{BASE}/orders/A", json=shown[name]["value"], status=400)
    with pytest.raises(GatewayError) as caught:
        client.order("A", trace())
    assert caught.value.codes == (codes[name],)


printable = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


@given(
    amount=st.integers(1, 999_999_999_999),
    texts=st.tuples(printable, printable, printable),
)
def test_whatever_is_bought_the_request_fits_the_schema(
    amount: int, texts: tuple[str, str, str]
) -> None:
    purchase = Purchase("ORDER0000000000001", amount, "EUR", *texts)
    body = json.loads(json.dumps(payloads.init(purchase, CARD)))
    schema("InitRequest").validate(body)
    assert body["order"]["amount"] == str(amount)
