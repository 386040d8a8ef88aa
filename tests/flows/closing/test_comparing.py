"""Which words of Nexi's agree with which outcome of ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nexi_payments.enums import OperationKind, OperationOutcome
from nexi_payments.flows.closing import comparing, figures
from nexi_payments.flows.closing.ledger_rows import LedgerRow
from nexi_payments.gateway.responses import OperationResult

pytestmark = pytest.mark.seen_on("sqlite")

NOON = datetime(2026, 1, 15, 11, tzinfo=UTC)
DONE, ACCEPTED = OperationOutcome.DONE, OperationOutcome.ACCEPTED
DECLINED, IN_DOUBT = OperationOutcome.DECLINED, OperationOutcome.IN_DOUBT
NOT_SENT = OperationOutcome.NOT_SENT


def ours(kind: str, outcome: str, result: str = "", **more: Any) -> LedgerRow:
    row = LedgerRow(
        *(1, kind, outcome, result, 1250, "op-1", NOON, NOON, NOON, None),
        *("A1", "R-1", "default", "shop", "", "VISA", "EUR", None),
    )
    return row._replace(**more)


def theirs(type_: str, result: str, **more: Any) -> OperationResult:
    facts = {"amount": 1250, "currency": "EUR", **more}
    return OperationResult("A1", "op-1", type_, result, **facts)


AGREE = [
    ("payment", DONE, "EXECUTED", "AUTHORIZATION", "EXECUTED"),
    ("payment", DONE, "EXECUTED", "AUTHORIZATION", "REFUNDED"),
    ("payment", DONE, "EXECUTED", "AUTHORIZATION", "VOIDED"),
    ("payment", DONE, "AUTHORIZED", "AUTHORIZATION", "AUTHORIZED"),
    ("payment", DONE, "AUTHORIZED", "AUTHORIZATION", "VOIDED"),
    ("hosted", DONE, "EXECUTED", "AUTHORIZATION", "EXECUTED"),
    ("hosted", ACCEPTED, "", "AUTHORIZATION", "PENDING"),
    ("hosted", ACCEPTED, "", "AUTHORIZATION", "DECLINED"),
    ("moto", DECLINED, "DECLINED", "AUTHORIZATION", "DECLINED"),
    ("payment", DECLINED, "", "AUTHORIZATION", "PENDING"),
    ("payment", NOT_SENT, "", "AUTHORIZATION", "THREEDS_VALIDATED"),
    ("payment", IN_DOUBT, "", "AUTHORIZATION", "PENDING"),
    ("authentication", DONE, "PENDING", "AUTHORIZATION", "PENDING"),
    ("validation", DECLINED, "THREEDS_FAILED", "AUTHORIZATION", "THREEDS_FAILED"),
    ("capture", DONE, "EXECUTED", "CAPTURE", "EXECUTED"),
    ("capture", DONE, "EXECUTED", "CAPTURE", "CANCELED"),
    ("capture", ACCEPTED, "", "CAPTURE", "PENDING"),
    ("refund", DONE, "REFUNDED", "REFUND", "REFUNDED"),
    ("refund", DONE, "REFUNDED", "REFUND", "VOIDED"),
    ("refund", DONE, "REFUNDED", "VOID", "EXECUTED"),
    ("void", DONE, "VOIDED", "REFUND", "VOIDED"),
    ("refund", DECLINED, "FAILED", "REFUND", "FAILED"),
    ("cancel", DONE, "EXECUTED", "CANCEL", "CANCELED"),
    ("payment", DONE, "EXECUTED", "", "EXECUTED"),
]
DIFFER = [
    ("payment", DONE, "EXECUTED", "AUTHORIZATION", "DECLINED", "outcome"),
    ("payment", DONE, "EXECUTED", "AUTHORIZATION", "PENDING", "outcome"),
    ("payment", DONE, "EXECUTED", "AUTHORIZATION", "AUTHORIZED", "outcome"),
    ("payment", DONE, "AUTHORIZED", "AUTHORIZATION", "EXECUTED", "outcome"),
    ("payment", DONE, "EXECUTED", "AUTHORIZATION", "WONDERFUL", "outcome"),
    ("payment", DECLINED, "DECLINED", "AUTHORIZATION", "EXECUTED", "outcome"),
    ("payment", IN_DOUBT, "", "AUTHORIZATION", "EXECUTED", "outcome"),
    ("hosted", ACCEPTED, "", "AUTHORIZATION", "EXECUTED", "outcome"),
    ("authentication", DONE, "PENDING", "AUTHORIZATION", "EXECUTED", "outcome"),
    ("refund", ACCEPTED, "", "REFUND", "REFUNDED", "outcome"),
    ("refund", ACCEPTED, "", "REFUND", "FAILED", "outcome"),
    ("refund", DECLINED, "", "REFUND", "PENDING", "outcome"),
    ("refund", DONE, "REFUNDED", "CAPTURE", "EXECUTED", "kind"),
    ("capture", DONE, "EXECUTED", "INCREMENTAL", "EXECUTED", "kind"),
]


@pytest.mark.parametrize(("kind", "outcome", "word", "type_", "result"), AGREE)
def test_what_agrees(
    kind: str, outcome: str, word: str, type_: str, result: str
) -> None:
    assert comparing.aspects(theirs(type_, result), ours(kind, outcome, word)) == ()


@pytest.mark.parametrize(("kind", "outcome", "word", "type_", "result", "what"), DIFFER)
def test_what_differs(
    kind: str, outcome: str, word: str, type_: str, result: str, what: str
) -> None:
    found = comparing.aspects(theirs(type_, result), ours(kind, outcome, word))
    assert found == (what,)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"amount": 1249}, ("amount",)),
        ({"amount": None, "invalid_members": ("amount",)}, ("amount",)),
        ({"amount": None}, ()),  # left out
        ({"currency": "CHF"}, ("currency",)),
        ({"currency": ""}, ()),
        ({"amount": 1, "currency": "CHF"}, ("amount", "currency")),
    ],
)
def test_amount_and_currency(more: dict[str, Any], expected: tuple[str, ...]) -> None:
    entry = theirs("AUTHORIZATION", "EXECUTED", **more)
    assert comparing.aspects(entry, ours("moto", DONE, "EXECUTED")) == expected


def test_one_id_of_three_steps_is_the_charges() -> None:
    steps = [
        ours("authentication", DONE, key=1),
        ours("validation", DONE, key=2),
        ours("payment", DONE, "EXECUTED", key=3),
    ]
    found = comparing.best_row(theirs("AUTHORIZATION", "EXECUTED"), steps)
    assert found is not None
    assert found.key == 3
    found = comparing.best_row(theirs("REFUND", "REFUNDED"), steps)
    assert found is not None
    assert found.key == 3
    assert comparing.best_row(theirs("REFUND", "REFUNDED"), []) is None


def test_a_row_without_an_id_is_found_by_order_role_and_amount() -> None:
    row = ours("capture", DONE, operation_id="")
    entry = theirs("CAPTURE", "EXECUTED")
    assert comparing.row_by_amount(entry, [row]) is row
    for other in (
        theirs("CAPTURE", "EXECUTED", amount=1),
        theirs("REFUND", "EXECUTED"),
        OperationResult("A2", "op-1", "CAPTURE", "EXECUTED", 1250, "EUR"),
    ):
        assert comparing.row_by_amount(other, [row]) is None


@pytest.mark.parametrize(
    ("type_", "result", "moves"),
    [
        ("AUTHORIZATION", "EXECUTED", True),
        ("AUTHORIZATION", "PENDING", True),
        ("AUTHORIZATION", "DECLINED", False),
        ("REFUND", "FAILED", False),
        ("CARD_VERIFICATION", "EXECUTED", False),
        ("INCREMENTAL", "EXECUTED", True),
        ("", "", True),
    ],
)
def test_what_may_have_moved_money(type_: str, result: str, moves: bool) -> None:
    assert comparing.may_have_moved(theirs(type_, result)) is moves


@pytest.mark.parametrize(
    ("type_", "result", "movement"),
    [
        ("AUTHORIZATION", "EXECUTED", "charge"),
        ("AUTHORIZATION", "AUTHORIZED", "authorization"),
        ("CAPTURE", "EXECUTED", "capture"),
        ("REFUND", "REFUNDED", "refund"),
        ("REFUND", "VOIDED", "void"),
        ("VOID", "EXECUTED", "void"),
        ("CANCEL", "EXECUTED", "cancel"),
        ("NOSHOW", "EXECUTED", ""),
    ],
)
def test_the_movement_of_what_only_nexi_has(
    type_: str, result: str, movement: str
) -> None:
    assert figures.movement_of(theirs(type_, result)) == movement


@pytest.mark.parametrize(
    ("kind", "result", "movement"),
    [
        (OperationKind.PAYMENT, "EXECUTED", "charge"),
        (OperationKind.PAYMENT, "REFUNDED", "charge"),
        (OperationKind.MOTO, "AUTHORIZED", "authorization"),
        (OperationKind.VOID, "VOIDED", "void"),
        (OperationKind.CANCEL, "", "cancel"),
    ],
)
def test_the_movement_of_ours(kind: str, result: str, movement: str) -> None:
    assert ours(kind, DONE, result).movement == movement
