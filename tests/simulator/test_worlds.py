"""Each world over HTTP: what Nexi says, and when. Only ``advance`` moves the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from nexi_payments.simulator import (
    WORLDS,
    Ahead,
    BackOffice,
    Forgetful,
    Lagging,
    Late,
    Pending,
    Simulator,
    Twice,
)
from nexi_payments.simulator.server import run_in_thread
from nexi_payments.simulator.worlds import worlds_by_name
from tests.simulator.http_merchant import (
    AMOUNT,
    CAPTURED,
    HELD,
    KEY,
    HttpMerchantClient,
    executed,
    listed,
)
from tests.simulator.merchant_client import (
    MerchantClient,
    idempotency_header,
    phone_order,
    purchase,
)

NOON = datetime(2027, 1, 15, 11, tzinfo=UTC)


@pytest.fixture
def terminal(simulator: Simulator) -> Iterator[MerchantClient]:
    with run_in_thread(simulator) as server:
        yield HttpMerchantClient(simulator, server.base_url)


def test_lagging_list_lookup_and_totals(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Lagging(10, 10),)
    capture = terminal.post_charge(held, "captures", "500")
    simulator.advance(9)
    assert listed(terminal) == [HELD]
    assert terminal.totals() == ("1250", "0")
    assert terminal.call("GET", f"/operations/{capture}").status == 404
    assert executed(simulator) == [CAPTURED]
    simulator.advance(1)
    assert listed(terminal) == [HELD, CAPTURED]
    assert terminal.totals() == ("1250", "500")
    assert terminal.result(capture) == "EXECUTED"


def test_lagging_rules_are_not_behind(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Lagging(10, 10),)
    terminal.post_charge(held, "captures", "1250")
    path = f"/operations/{held}/captures"
    assert terminal.rejected_code(path, AMOUNT, idempotency_header()) == "PS0023"


def test_lagging_charge(terminal: MerchantClient, simulator: Simulator) -> None:
    simulator.worlds = (Lagging(10, 10),)
    terminal.pay(purchase())
    assert listed(terminal) == [("AUTHORIZATION", "THREEDS_VALIDATED", "1250")]
    assert terminal.totals() == ("0", "0")
    simulator.advance(10)
    assert listed(terminal) == [("AUTHORIZATION", "EXECUTED", "1250")]
    assert terminal.totals() == ("1250", "1250")


def test_lagging_phone_order_is_not_there_yet(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.worlds = (Lagging(10, 10),)
    terminal.post("/orders/moto", phone_order())
    assert terminal.call("GET", "/orders/ORDER1").status == 404
    assert terminal.get("/orders")["orders"] == []
    simulator.advance(10)
    assert listed(terminal) == [("AUTHORIZATION", "EXECUTED", "1250")]
    assert len(terminal.get("/orders")["orders"]) == 1


def test_ahead_totals_before_operations(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Ahead(10, 10),)
    capture = terminal.post_charge(held, "captures", "500")
    assert listed(terminal) == [HELD]
    assert terminal.call("GET", f"/operations/{capture}").status == 404
    assert terminal.totals() == ("1250", "500")
    [status] = terminal.get("/orders")["orders"]
    assert status["capturedAmount"] == "500"
    simulator.advance(10)
    assert listed(terminal) == [HELD, CAPTURED]
    assert terminal.totals() == ("1250", "500")


def test_ahead_counts_a_pending_capture_that_fails(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Ahead(0, 0), Pending(60, 60, failing=1))
    terminal.post_charge(held, "captures", "500")
    assert listed(terminal) == [HELD, ("CAPTURE", "PENDING", "500")]
    assert terminal.totals() == ("1250", "500")
    simulator.advance(60)
    assert listed(terminal) == [HELD, ("CAPTURE", "FAILED", "500")]
    assert terminal.totals() == ("1250", "0")


def test_pending_and_then_done(terminal: MerchantClient, simulator: Simulator) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Pending(3600, 3600, failing=0),)
    capture = terminal.post_charge(held, "captures", "500")
    simulator.advance(3599)
    assert terminal.result(capture) == "PENDING"
    assert terminal.totals() == ("1250", "0")
    path = f"/operations/{capture}/refunds"
    assert terminal.rejected_code(path, AMOUNT, idempotency_header()) == "PS0026"
    simulator.advance(1)
    assert terminal.result(capture) == "EXECUTED"
    assert terminal.totals() == ("1250", "500")
    refund = terminal.post_charge(capture, "refunds", "500")
    assert terminal.result(refund) == "PENDING"


def test_pending_and_then_failed_leaves_the_money(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Pending(60, 60, failing=1),)
    release = terminal.post_charge(held, "refunds", "1250")
    path = f"/operations/{held}/captures"
    assert terminal.rejected_code(path, AMOUNT, idempotency_header()) == "PS0022"
    simulator.advance(60)
    assert terminal.result(release) == "FAILED"
    assert terminal.totals() == ("1250", "0")
    simulator.worlds = ()
    capture = terminal.post_charge(held, "captures", "1250")
    assert terminal.result(capture) == "EXECUTED"
    assert terminal.totals() == ("1250", "1250")


def test_forgetful_of_a_key(terminal: MerchantClient, simulator: Simulator) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Forgetful(),)
    path = f"/operations/{held}/captures"
    first = terminal.post(path, AMOUNT, KEY)
    simulator.advance(12 * 3600 - 1)
    assert terminal.post(path, AMOUNT, KEY) == first
    assert executed(simulator) == [CAPTURED]
    simulator.advance(1)
    assert terminal.post(path, AMOUNT, KEY)["operationId"] != first["operationId"]
    assert executed(simulator) == [CAPTURED, CAPTURED]


def test_twice_with_one_key(terminal: MerchantClient, simulator: Simulator) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Twice(),)
    path = f"/operations/{held}/captures"
    ids = {terminal.post(path, AMOUNT, KEY)["operationId"] for _ in range(2)}
    record = simulator.record("ORDER1")
    assert record is not None
    assert {one["id"] for one in record["post_charge"]} == ids
    assert [one["key"] for one in record["post_charge"]] == ["the same", "the same"]
    assert terminal.totals() == ("1250", "1000")
    other = AMOUNT | {"amount": "250"}
    assert terminal.rejected_code(path, other, KEY) == "PS0025"


def story(seed: str) -> list[Any]:
    """What five orders look like in all worlds at once, minute by minute."""
    simulator = Simulator(
        clock=NOON.replace,  # it stands still
        worlds=[Lagging(), Pending(10, 300), BackOffice()],
        seed=seed,
    )
    terminal = MerchantClient(simulator)
    seen: list[Any] = []
    for number in range(5):
        held = terminal.pay(purchase(order_id=f"O{number}"), "EXPLICIT")
        for amount in ("500", "250"):
            terminal.call(
                "POST",
                f"/operations/{held}/captures",
                AMOUNT | {"amount": amount},
                idempotency_header(),
            )
            simulator.advance(20)
            seen.append(listed(terminal, f"O{number}"))
    return seen


def test_a_seed_repeats_what_the_worlds_decide() -> None:
    assert story("1") == story("1")
    assert story("1") != story("2")


def test_several_worlds_at_once(terminal: MerchantClient, simulator: Simulator) -> None:
    """A lost capture arrives late, is pending then, and the list is behind it all."""
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Lagging(5, 5), Pending(60, 60, failing=0), Late(0))
    simulator.fail_next("/captures")
    path = f"/operations/{held}/captures"
    terminal.call("POST", path, AMOUNT, KEY, documented=False)
    assert executed(simulator) == [(CAPTURED[0], "PENDING", *CAPTURED[2:])]
    assert listed(terminal) == [HELD]
    simulator.advance(5)
    assert listed(terminal) == [HELD, (CAPTURED[0], "PENDING", *CAPTURED[2:])]
    simulator.advance(55)
    assert executed(simulator) == [CAPTURED]
    assert listed(terminal)[1][1] == "PENDING"
    simulator.advance(5)
    assert listed(terminal) == [HELD, CAPTURED]


def test_a_world_that_does_not_exist(simulator: Simulator) -> None:
    with pytest.raises(
        TypeError, match=r"no world: 'lagging'; for example Lagging\(\)"
    ):
        simulator.worlds = ("lagging",)  # type: ignore[assignment]
    with pytest.raises(ValueError, match="no world 'slow'; there are: lagging, ahead"):
        worlds_by_name(["late", "slow"])
    with pytest.raises(ValueError, match="no world ''; there are: lagging, ahead"):
        worlds_by_name([""])
    with pytest.raises(ValueError, match="a world is on twice"):
        simulator.worlds = (Lagging(1, 2), Lagging())
    assert simulator.worlds == ()
    assert worlds_by_name(["late", "twice"]) == [Late(), Twice()]
    assert worlds_by_name(["late, twice", "late"]) == [Late(), Twice()]
    assert list(WORLDS) == [
        "lagging",
        "ahead",
        "pending",
        "forgetful",
        "twice",
        "late",
        "backoffice",
    ]
