"""What a record of a call keeps, and what it never does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexi_payments.gateway import communication
from nexi_payments.gateway.communication import MASK, BodyLog, CallRecord
from nexi_payments.simulator import TEST_CARDS

pytestmark = pytest.mark.seen_on("sqlite")

CARD = TEST_CARDS[0]
PAN, CVV = CARD.number, "0739"
REQUEST: dict[str, Any] = {
    "order": {
        "orderId": "PGN000000000000001",
        "amount": "1250",
        "currency": "EUR",
        "description": "Two books for Ada",
        "customField": "R-1",
        "customerId": "U7",
        "customerInfo": {"cardHolderName": "Ada", "cardHolderEmail": "ada@shop.test"},
    },
    "card": {"pan": PAN, "expiryDate": "1230", "cvv": CVV},
    "captureType": "IMPLICIT",
    "recurrence": {"action": "NO_RECURRING"},
    "threeDSAuthData": {"threeDSAuthResponse": "Y" * 600, "eci": "05"},
}


class Scrubber:
    """The request, then the response, as they are in a record."""

    def __init__(self) -> None:
        self.record = CallRecord("POST", "/", datetime(2026, 1, 15, tzinfo=UTC))
        self.log = BodyLog(self.record)

    def request(self, body: Any) -> Any:
        self.log.add_request(body)
        return self.record.request

    def response(self, body: Any) -> Any:
        self.log.add_response(body)
        return self.record.response


def test_nothing_is_kept_without_a_record() -> None:
    log = BodyLog(None)
    log.add_request(REQUEST)
    log.add_response(REQUEST)
    assert log._secrets == frozenset()
    assert PAN not in repr(log)


def test_a_request_keeps_ids_amounts_and_words() -> None:
    assert Scrubber().request(REQUEST) == {
        "order": {
            "orderId": "PGN000000000000001",
            "amount": "1250",
            "currency": "EUR",
            "description": MASK,
            "customField": MASK,
            "customerId": MASK,
            "customerInfo": MASK,
        },
        "card": MASK,
        "captureType": "IMPLICIT",
        "recurrence": {"action": "NO_RECURRING"},
        "threeDSAuthData": {"threeDSAuthResponse": MASK, "eci": "05"},
    }


def test_a_response_keeps_what_happened() -> None:
    response = {
        "operation": {
            "orderId": "PGN000000000000001",
            "operationId": "411111111111111111",
            "operationType": "AUTHORIZATION",
            "operationResult": "DECLINED",
            "operationTime": "2026-01-15 12:00:00.120",
            "operationAmount": "1250",
            "operationCurrency": "978",
            "paymentInstrumentInfo": "***4549",
            "cancelledOperationId": "",
            "channel": None,
            "customerInfo": None,
            "warnings": [{"code": "W1", "description": "x"}],
            "additionalData": {"maskedPan": "400000XXXX0002", "rrn": "123456"},
        },
        "securityToken": "a" * 32,
        "hostedPage": "https://nexi.example/page/secret",
        "errors": [{"code": "PS0042", "description": f"{PAN} is not valid"}],
    }
    assert Scrubber().response(response) == {
        "operation": {
            **response["operation"],  # type: ignore[dict-item]
            "paymentInstrumentInfo": MASK,
            "warnings": [{"code": "W1", "description": MASK}],
            "additionalData": {"maskedPan": MASK, "rrn": "123456"},
        },
        "securityToken": MASK,
        "hostedPage": MASK,
        "errors": [{"code": "PS0042", "description": MASK}],
    }


@pytest.mark.parametrize("name", sorted(communication._KEPT))
@pytest.mark.parametrize(
    "value",
    [
        PAN,
        int(PAN),
        f" {PAN}",
        f"{PAN[:4]} {PAN[4:]}",
        f"x-{PAN}",
        CVV,
        f"A {CVV}",
        "ä",
    ],
)
def test_no_member_shows_the_card_of_the_request(name: str, value: Any) -> None:
    scrubber = Scrubber()
    scrubber.request(REQUEST)
    assert scrubber.response({name: value}) == {name: MASK}


def test_a_card_as_a_name_and_odd_shapes() -> None:
    scrubber = Scrubber()
    scrubber.request(REQUEST)
    assert scrubber.response({PAN: "x", "cvv0739": CVV, "": 1}) == {
        MASK: MASK,
    }
    assert scrubber.response([1, 2, 3, 4]) == "(4 entries)"
    assert scrubber.response(PAN) == MASK
    assert scrubber.response(None) is None
    deep: Any = "x"
    for _ in range(2000):
        deep = {"order": deep}
    assert str(scrubber.response(deep)).count("order") == 6
    long = {"errors": {"x" * n: {"code": "W" * 60} for n in range(1, 41)}}
    assert scrubber.response(long) == "(3952 characters)"


BODIES = st.recursive(
    st.none() | st.booleans() | st.text() | st.sampled_from([PAN, CVV, int(PAN)]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*sorted(communication._KEPT), PAN, CVV, "card"]), inner
        )
    ),
    max_leaves=20,
)


@given(BODIES)
def test_no_body_shows_the_card(body: Any) -> None:
    scrubber = Scrubber()
    scrubber.request(REQUEST)
    text = json.dumps(scrubber.response(body))
    assert PAN not in text
    assert f'"{CVV}"' not in text


# -- recording -------------------------------------------------------------------------


def test_calls_are_collected_where_somebody_asks() -> None:
    assert communication.begin("GET", "/a") is None
    with communication.recording() as outer:
        with communication.recording(active=False) as none:
            assert communication.begin("GET", "/b") is None
        first = communication.begin("POST", "/c")
    assert outer == [first]
    assert none == []
    assert communication.begin("GET", "/d") is None


def call(number: int, size: int = 10) -> CallRecord:
    return CallRecord(
        *("POST", f"/orders/{number}", datetime(2026, 1, 15, tzinfo=UTC), "200", 7),
        *({"code": "x" * size}, {"code": "y"}),
    )


def test_a_log_is_json() -> None:
    assert communication.appended("", []) == ""
    log = communication.appended("", [call(1)])
    assert communication.entries_of(communication.appended(log, (call(2),))) == [
        {
            "at": "2026-01-15T00:00:00.000+00:00",
            "method": "POST",
            "path": f"/orders/{number}",
            "result": "200",
            "ms": 7,
            "request": {"code": "xxxxxxxxxx"},
            "response": {"code": "y"},
        }
        for number in (1, 2)
    ]


def test_a_long_log_loses_the_oldest_bodies_then_the_oldest_calls() -> None:
    log = communication.appended("", [call(n, 1900) for n in range(5)])
    assert len(log) <= communication.MAX_LOG
    found = communication.entries_of(log)
    assert [one["request"] is None for one in found] == [
        True,
        True,
        False,
        False,
        False,
    ]
    for n in range(200):
        log = communication.appended(log, [call(n)])
    found = communication.entries_of(log)
    assert len(log) <= communication.MAX_LOG
    assert found[-1]["path"] == "/orders/199"
    assert len(found) < 200


@pytest.mark.parametrize("log", ["", "x", "[1]", "[]"])
def test_a_log_that_cannot_be_read(log: str) -> None:
    assert communication.entries_of(log) == []
