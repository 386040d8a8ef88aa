"""The fault matrix: each fault, at each call, and the resulting state of the payment.

Each row is one fault, each column the call that meets it: init, validation, payment,
MOTO, a refund of a paid payment (or a capture of an authorized one), and the status
inquiry of one in doubt. A cell is ``state:reason``, for a refund or capture its outcome.
The shopper's page follows from the state (``PAGES``). Rows that no response can produce
have tests of their own: ``ELSEWHERE``. What a fault on the wire means (time-outs, resets, TLS, half answers) is
measured on sockets in ``gateway/test_wire.py``; here "unsent" and "lost" stand for them.

A validation whose outcome is unknown is sent once more: it moves no money.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.models import Discrepancy, Operation, PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    SETTLE,
    order_reply,
    payment_in_doubt,
    prove_absent,
    prove_rejected,
)
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

HTML = {"Content-Type": "text/html"}
JSON = {"Content-Type": "application/json"}
LOST = "lost"  # done at the gateway, and the answer never comes


def answer(**changes: Any) -> Any:
    """A 200 about our operation, with ``changes``."""
    return lambda facts: Reply(
        200, json.dumps({"operation": {**facts, **changes}}).encode(), JSON
    )


def error(status: int, body: bytes = b"", headers: Any = HTML) -> Reply:
    return Reply(status, body, headers)


PS = b'{"errors": [{"code": "PS0026", "description": "invalid"}]}'
#: the state of a payment that continues
FINE = "paid:"
#: a refund without a trace at Nexi is sent again, once
AGAIN = "in_doubt"

# fmt: off
MATRIX = [
    # row                     the fault                    init                      validation                  payment                   moto                      refund
    ("F01 refused",           Reply(0, fault="refused"),   "failed:not_sent",          FINE,                       "failed:not_sent",          "failed:not_sent",          "not_sent"),
    ("F07 answer lost",       LOST,                        "failed:init_unknown",    FINE,                       FINE,                     FINE,                     "done"),
    ("F09 reset",             Reply(0, fault="cut"),       "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F13 400 JSON",          error(400, PS, JSON),        "failed:rejected",         "failed:rejected",           "failed:rejected",         "failed:rejected",         "rejected"),
    ("F14 400 HTML",          error(400, b"<p>no</p>"),    "failed:rejected",         "failed:rejected",           "failed:rejected",         "failed:rejected",         "rejected"),
    ("F15 401",               error(401),                  "failed:config",          "failed:config",            "failed:rejected",         "failed:rejected",         "rejected"),
    ("F15 403",               error(403),                  "failed:config",          "failed:config",            "failed:rejected",         "failed:rejected",         "rejected"),
    ("F16 404",               error(404),                  "failed:config",          "failed:config",            "failed:rejected",         "failed:rejected",         "rejected"),
    ("F17 409",               error(409),                  "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F18 429",               error(429),                  "failed:busy",            FINE,                       "failed:busy",            "failed:busy",            "rejected"),
    ("F19 500 JSON",          error(500, PS, JSON),        "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F20 500 empty",         error(500),                  "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F20 502 HTML",          error(502, b"<html>"),       "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F20 503",               error(503),                  "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F20 504",               error(504),                  "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F21 302",               Reply(302, b"", {"Location": "https://elsewhere.example/"}),
                                                           "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F22 204",               Reply(204),                  "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F22 empty 200",         Reply(200),                  "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F25 two megabytes",     Reply(200, b" " * (2 << 20), JSON),
                                                           "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F26 no JSON",           Reply(200, b"<html>", HTML), "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F26 NaN",               Reply(200, b'{"operation": NaN}', JSON),
                                                           "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F26 nested",            Reply(200, b"[" * 100_000, JSON),
                                                           "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F27 a list",            Reply(200, b"[]", JSON),     "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F27 null",              Reply(200, b"null", JSON),   "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F27 no operation",      Reply(200, b"{}", JSON),     "failed:init_unknown",    FINE,                       "paying:",                "paying:",                AGAIN),
    ("F28 unknown result",    answer(operationResult="FOO"),
                                                           "failed:unknown_result",  "failed:unknown_result",    "paying:",                "paying:",                AGAIN),
    ("F29 another amount",    answer(operationResult="EXECUTED", operationAmount="1"),
                                                           "failed:mismatch",        "failed:mismatch",          "review:mismatch",        "review:mismatch",        AGAIN),
    ("F29 another currency",  answer(operationResult="EXECUTED", operationCurrency="USD"),
                                                           "failed:mismatch",        "failed:mismatch",          "review:mismatch",        "review:mismatch",        AGAIN),
    ("F30 another order",     answer(operationResult="EXECUTED", orderId="X"),
                                                           "failed:mismatch",        "failed:mismatch",          "review:mismatch",        "review:mismatch",        AGAIN),
    ("F32 DECLINED",          answer(operationResult="DECLINED"),
                                                           "failed:declined",        "failed:not_authenticated", "failed:declined",        "failed:declined",        AGAIN),
    ("F32 DENIED_BY_RISK",    answer(operationResult="DENIED_BY_RISK"),
                                                           "failed:declined",        "failed:not_authenticated", "failed:declined",        "failed:declined",        AGAIN),
    ("F32 FAILED",            answer(operationResult="FAILED"),
                                                           "failed:declined",        "failed:not_authenticated", "failed:declined",        "failed:declined",        AGAIN),
    ("F32 CANCELED",          answer(operationResult="CANCELED"),
                                                           "failed:declined",        "failed:not_authenticated", "failed:declined",        "failed:declined",        AGAIN),
    ("F33 THREEDS_FAILED",    answer(operationResult="THREEDS_FAILED"),
                                                           "failed:declined",        "failed:not_authenticated", "failed:not_authenticated", "failed:not_authenticated", AGAIN),
    ("F34 PENDING",           answer(operationResult="PENDING"),
                                                           "failed:3ds_unavailable", FINE,                       "paying:",                "paying:",                AGAIN),
    ("F35 THREEDS_VALIDATED", answer(operationResult="THREEDS_VALIDATED"),
                                                           "failed:3ds_unavailable", "failed:not_authenticated", "paying:",                "paying:",                AGAIN),
    ("F46 AUTHORIZED",        answer(operationResult="AUTHORIZED"),
                                                           "review:unexpected_charge", "review:unexpected_charge", "authorized:",          "authorized:",            AGAIN),
]
# fmt: on
ROWS = {row[0]: row for row in MATRIX}
#: a complete 4xx: in doubt until two inquiries show nothing
REJECTED = {"F13", "F14", "F15", "F16", "F18"}
#: these become discrepancies, whatever call they meet
BROKEN = {"F28", "F29", "F30", "F46"}


#: the shopper's page, by the resulting state
PAGES = {
    "failed": ("bad", "Nothing has been charged."),
    "paying": ("data-poll", "We do not know yet whether your card was charged"),
    "review": ("wait", "contact the"),
    "authorized": ("good", "The amount is reserved on your card"),
    "paid": ("good", "Your card has been charged."),
}
#: rows that need a network, a clock, a database or a killed process
ELSEWHERE = {
    "F02": ["gateway/test_transport.py::test_no_such_host"],
    "F03": ["gateway/test_transport.py::test_connect_timeout"],
    "F04": [
        "gateway/test_transport.py::test_bad_certificate",
        "gateway/test_transport.py::test_certificate_of_another_host",
    ],
    "F05": ["gateway/test_transport.py::test_stalled_handshake"],
    "F06": ["gateway/test_transport.py::test_unknown"],
    "F08": [
        "flows/inquiry/test_late_money.py::test_without_another_attempt_it_is_paid",
        "flows/inquiry/test_late_money.py::test_beside_a_payment_it_is_a_duplicate",
    ],
    "F10": ["gateway/test_transport.py::test_unknown"],
    "F11": ["gateway/test_transport.py::test_unknown"],
    "F12": ["gateway/test_transport.py::test_tls_garbage_after_the_request_was_read"],
    "F23": [
        "gateway/test_deadline.py::test_a_dripped_body_over_tls_ends_at_the_deadline"
    ],
    "F24": ["gateway/test_transport.py::test_a_cut_in_the_headers_is_not_believed"],
    "F31": [
        "flows/test_three_ds_redirect.py::test_a_hostile_3ds_address_is_never_rendered",
        "flows/test_three_ds_redirect.py::test_text_of_the_gateway_reaches_no_page",
    ],
    "F36": ["flows/test_three_ds.py::test_endings_before_the_bank"],
    "F37": [
        "flows/test_reconcile.py::test_a_claim_whose_worker_died_is_failed_after_its_deadline"
    ],
    "F38": [
        "system/test_crash.py::test_killed_during_the_payment_call",
        "system/test_crash_staff.py::test_killed_while_it_is_out",
    ],
    "F39": ["system/test_crash.py::test_killed_during_the_payment_call"],
    "F40": ["flows/ledger/test_operations.py::test_the_final_commit_fails"],
    "F41": [
        "test_outbox.py::test_a_receiver_that_raises_is_asked_again",
        "system/test_crash.py::test_killed_between_commit_and_delivery",
    ],
    "F42": [
        "flows/test_reconcile.py::test_an_order_left_at_the_bank_expires_after_asking",
        "flows/test_reconcile.py::test_an_order_left_at_the_bank_and_charged_is_reviewed",
    ],
    "F43": [
        "flows/test_three_ds.py::test_walked_away_at_the_bank",
        "flows/test_three_ds_return.py::test_a_missing_payment_id_goes_on_with_ours",
    ],
    "F44": ["flows/test_three_ds_return.py::test_a_return_after_the_hold_has_expired"],
    "F45": ["system/test_crash.py::test_killed_during_the_payment_call"],
    "F47": [
        "flows/inquiry/test_late_charges.py::test_executed_though_capture_is_manual_is_paid_with_a_break"
    ],
}


def test_every_row_of_the_matrix_is_somewhere() -> None:
    rows = {name.split()[0] for name in ROWS} | set(ELSEWHERE)
    assert rows == {f"F{number:02}" for number in range(1, 48)}
    for places in ELSEWHERE.values():
        for place in places:
            file, _, name = place.partition("::")
            written = (Path(__file__).parents[1] / file).read_text()
            assert re.search(rf"^def {name}\(", written, re.MULTILINE), place


@pytest.fixture(autouse=True)
def rejected_key(request: pytest.FixtureRequest, gateway: Simulator) -> None:
    """In row F15 Nexi rejects the key, not one request."""
    callspec = getattr(request.node, "callspec", None)
    name = callspec.params.get("name", "") if callspec else ""
    if name.startswith("F15"):
        gateway.next_reply("/payment_methods", ROWS[name][1])


class Fault:
    """Meets the next call to a path, once."""

    def __init__(self, gateway: Simulator, part: str, what: Any) -> None:
        handle = gateway.handle
        self.met = 0

        def faulty(method: str, url: str, headers: Any, body: bytes) -> Reply:
            if self.met or part not in url or method != "POST":
                return handle(method, url, headers, body)
            self.met += 1
            if what == LOST:
                reply = handle(method, url, headers, body)
                return Reply(reply.status, reply.body, reply.headers, "cut")
            if not callable(what):
                return what  # type: ignore[no-any-return]
            return what(facts(json.loads(body)))  # type: ignore[no-any-return]

        gateway.handle = faulty  # type: ignore[method-assign]


def facts(sent: Any) -> dict[str, Any]:
    """The response's view of the operation that was inquired."""
    order = PaymentOrder.objects.get()
    return {
        "orderId": order.order_id,
        "operationId": sent.get("operationId") or "700000000000000001",
        "operationType": "AUTHORIZATION",
        "operationResult": "",
        "operationAmount": str(order.amount),
        "operationCurrency": "978",
    }


def stands(order: PaymentOrder) -> str:
    order.refresh_from_db()
    return f"{order.state}:{order.reason}"


def reads(shopper: Shopper, order: PaymentOrder) -> None:
    """The page that goes with the state, and with no other."""
    order.refresh_from_db()
    page = shopper.browser.get(f"/payments/result/{order.public_id}/").content.decode()
    tone, words = PAGES[order.state]
    assert words in page
    assert f"nexi-{tone}" in page or tone in page
    for state, (_, others) in PAGES.items():
        if state != order.state:
            assert others not in page, state


def check_charge(name: str, order: PaymentOrder, expected: str) -> None:
    if name.split()[0] in REJECTED:
        assert stands(order) == "paying:"
        prove_rejected(order)
    assert stands(order) == expected


def check_post_charge(
    gateway: Simulator, name: str, order: PaymentOrder, operation: Operation
) -> bool:
    """Whether the capture or refund is done in the end."""
    expected = ROWS[name][6]
    if name.split()[0] in REJECTED:
        assert operation.outcome == OperationOutcome.IN_DOUBT
        prove_rejected(order)
    elif expected == AGAIN:
        assert (operation.outcome, operation.send_count) == (expected, 1)
        prove_absent(order)
        operation.refresh_from_db()
        assert operation.send_count == 2
        gateway.advance(2 * SETTLE)
        flows.reconcile(order)
        expected = "done"
    operation.refresh_from_db()
    assert operation.outcome == expected
    return expected == OperationOutcome.DONE


def check_row(name: str, *, money_call: bool) -> None:
    """What holds in every cell."""
    row = name.split()[0]
    assert Operation.objects.filter(outcome=OperationOutcome.OPEN).count() == 0
    assert TerminalOutage.objects.exists() == (row == "F15")
    if row in BROKEN and not (row == "F46" and money_call):
        assert Discrepancy.objects.exists() or not money_call


@pytest.mark.parametrize("name", ROWS)
def test_init(shopper: Shopper, gateway: Simulator, name: str) -> None:
    order = new_order()
    fault = Fault(gateway, "/init", ROWS[name][1])
    shopper.submit_card(order)
    assert stands(order) == ROWS[name][2]
    assert fault.met == 1
    reads(shopper, order)
    check_row(name, money_call=False)


@pytest.mark.parametrize("name", ROWS)
def test_validation(
    shopper: Shopper, gateway: Simulator, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "nexi_payments.flows.three_ds_return.time.sleep", lambda _: None
    )
    order = new_order()
    form = shopper.start(order)
    fault = Fault(gateway, "/validation", ROWS[name][1])
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert stands(order) == ROWS[name][3]
    assert fault.met == 1
    reads(shopper, order)
    if ROWS[name][3] != FINE:
        assert gateway.count("POST /orders/3steps/payment") == 0
    check_row(name, money_call=False)


@pytest.mark.parametrize("name", ROWS)
def test_payment(shopper: Shopper, gateway: Simulator, name: str) -> None:
    order = new_order()
    form = shopper.start(order)
    fault = Fault(gateway, "/3steps/payment", ROWS[name][1])
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert fault.met == 1
    reads(shopper, order)
    check_charge(name, order, ROWS[name][4])
    reads(shopper, order)
    check_row(name, money_call=True)


@pytest.mark.parametrize("name", ROWS)
def test_moto(gateway: Simulator, name: str) -> None:
    order = new_order(terminal="moto")
    fault = Fault(gateway, "/orders/moto", ROWS[name][1])
    card = Card(CARDS["challenge"].number, "1230", "396")
    flows.pay_moto(order, card, cardholder="Giulia Bianchi")
    assert fault.met == 1
    check_charge(name, order, ROWS[name][5])
    check_row(name, money_call=True)


@pytest.mark.parametrize("name", ROWS)
def test_capture(shopper: Shopper, gateway: Simulator, name: str) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    fault = Fault(gateway, "/captures", ROWS[name][1])
    operation = flows.capture(order)
    assert fault.met == 1
    booked = 1250 if check_post_charge(gateway, name, order, operation) else 0
    order.refresh_from_db()
    assert (order.captured_amount, order.capturing_amount) == (booked, 0)
    assert order.state == (OrderState.PAID if booked else OrderState.AUTHORIZED)
    assert gateway.charge_of(order.order_id).captured == booked


@pytest.mark.parametrize("name", ROWS)
def test_refund(shopper: Shopper, gateway: Simulator, name: str) -> None:
    order = shopper.pay(new_order())
    fault = Fault(gateway, "/refunds", ROWS[name][1])
    operation = flows.refund(order)
    assert fault.met == 1
    given_back = 1250 if check_post_charge(gateway, name, order, operation) else 0
    order.refresh_from_db()
    assert (order.refunded_amount, order.refunding_amount) == (given_back, 0)
    assert gateway.charge_of(order.order_id).refunded == given_back


#: An unanswered inquiry changes nothing; these are the rows in which it is answered.
LOOK = {
    "F28 unknown result": "paying:",
    "F29 another amount": "review:mismatch",
    "F29 another currency": "review:mismatch",
    "F30 another order": "paying:",
    "F32 DECLINED": "failed:declined",
    "F32 DENIED_BY_RISK": "failed:declined",
    "F32 FAILED": "failed:declined",
    "F32 CANCELED": "failed:declined",
    "F33 THREEDS_FAILED": "failed:not_authenticated",
    "F34 PENDING": "paying:",
    "F35 THREEDS_VALIDATED": "paying:",
    "F46 AUTHORIZED": "authorized:",
}


@pytest.mark.parametrize("name", ROWS)
def test_look(shopper: Shopper, gateway: Simulator, name: str) -> None:
    order = payment_in_doubt(shopper)
    what = ROWS[name][1]
    if callable(what):
        sent = {"operationId": order.gateway_operation_id}
        reply = order_reply(order, json.loads(what(facts(sent)).body)["operation"])
    else:
        reply = Reply(0, fault="cut") if what == LOST else what
    gateway.next_reply(f"/orders/{order.order_id}", reply)
    counts = flows.reconcile(order)
    assert stands(order) == LOOK.get(name, "paying:")
    assert counts.unanswered == (name not in LOOK and name != "F16 404")
    assert TerminalOutage.objects.exists() == name.startswith("F15")
    assert order.next_poll_at is not None
