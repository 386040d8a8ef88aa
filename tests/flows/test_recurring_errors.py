"""A run that ends with an unexpected exception: growing pauses, listed for staff."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, models
from django.utils import timezone

from nexi_payments import doctor, flows
from nexi_payments.flows import contracts
from nexi_payments.models import Contract
from nexi_payments.simulator import Simulator
from tests.support.clerk import ORDERS_URL, Clerk
from tests.support.contracts import (
    MIT_ENDPOINT,
    MONTHLY,
    Clock,
    make_contract,
    run_charge_due,
)
from tests.support.in_doubt import DAY, HOUR, MINUTE
from tests.support.shopper import Shopper

pytestmark = pytest.mark.django_db(transaction=True)

SKIPPED = flows.RecurringCounts(skipped=1)
NOTHING = flows.RecurringCounts()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The primary keys of contracts whose charge raises an error of ours."""
    charge, keys = contracts.charge_contract, set[int]()

    def charge_contract(contract: Contract, *args: Any, **more: Any) -> Any:
        if contract.pk in keys:
            raise ZeroDivisionError(contract.pk)
        return charge(contract, *args, **more)

    monkeypatch.setattr(contracts, "charge_contract", charge_contract)
    return keys


def errors_of(contract: Contract) -> tuple[int, str, bool]:
    contract.refresh_from_db()
    return contract.error_count, contract.error, contract.failing_since is not None


def recurring_lines() -> list[str]:
    found = doctor.diagnose(contact_gateways=False)
    return [one.message for one in found if one.section == "recurring"]


def test_it_is_tried_again_after_growing_pauses_and_listed(
    shopper: Shopper, gateway: Simulator, clock: Clock, broken: set[int]
) -> None:
    contract, well = (
        make_contract(shopper, terms=MONTHLY),
        make_contract(shopper, terms=MONTHLY),
    )
    broken.add(contract.pk)
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(
        charged=1, skipped=1
    )  # the others go on
    well.refresh_from_db()
    assert (well.period, errors_of(well)) == (2, (0, "", False))
    for count, pause in enumerate((1, 5, 15, 60, 360, 360), 1):
        assert errors_of(contract) == (count, "ZeroDivisionError", True)
        assert run_charge_due(clock, pause * MINUTE - 5) == NOTHING
        assert run_charge_due(clock, 10) == SKIPPED
    assert gateway.counts[MIT_ENDPOINT] == 1

    contract.refresh_from_db()
    minutes = 1 + 5 + 15 + 60 + 2 * 360
    assert recurring_lines() == [
        "recurring charges that end with an exception: 1",
        f"contract {contract.contract_id}: ZeroDivisionError, failed attempts: 7, for"
        f" {minutes} min",
    ]
    page = Clerk("view_paymentorder", "view_contract").get_text(
        ORDERS_URL + "review-queue/"
    )
    assert "Recurring charges that fail" in page
    assert f"contract/{contract.pk}/change/" in page
    assert "<code>ZeroDivisionError</code>" in page
    assert well.contract_id not in page
    page = Clerk("view_contract", name="second").get_text(
        f"/admin/nexi_payments/contract/{contract.pk}/change/"
    )
    assert "7 (ZeroDivisionError)" in page

    broken.clear()
    assert run_charge_due(clock, 6 * HOUR + 5) == flows.RecurringCounts(charged=1)
    assert errors_of(contract) == (0, "", False)
    assert recurring_lines() == ["recurring charges that end with an exception: 0"]
    page = Clerk("view_paymentorder", name="third").get_text(
        ORDERS_URL + "review-queue/"
    )
    assert "Nothing to check" in page


def test_without_the_permission_the_card_is_no_link(
    shopper: Shopper, clock: Clock, broken: set[int]
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    broken.add(contract.pk)
    assert run_charge_due(clock, 30 * DAY + 1) == SKIPPED
    page = Clerk("view_paymentorder").get_text(ORDERS_URL + "review-queue/")
    assert contract.contract_id in page
    assert f"contract/{contract.pk}/change/" not in page


def test_one_that_was_ended_is_listed_no_more(
    shopper: Shopper, clock: Clock, broken: set[int]
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    broken.add(contract.pk)
    assert run_charge_due(clock, 30 * DAY + 1) == SKIPPED
    flows.end_contract(contract)
    assert recurring_lines() == ["recurring charges that end with an exception: 0"]
    page = Clerk("view_paymentorder").get_text(ORDERS_URL + "review-queue/")
    assert contract.contract_id not in page


def test_an_error_that_cannot_be_recorded_does_not_stop_the_run(
    shopper: Shopper,
    clock: Clock,
    broken: set[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another transaction holds the row's lock, for example."""
    contract = make_contract(shopper, terms=MONTHLY)
    well = make_contract(shopper, terms=MONTHLY)
    broken.add(contract.pk)
    update = models.QuerySet.update

    def failing(rows: Any, **values: Any) -> int:
        if values.get("error_count") == 1:
            raise OperationalError("lock timeout")
        return update(rows, **values)

    monkeypatch.setattr(models.QuerySet, "update", failing)
    assert run_charge_due(clock, 30 * DAY + 1).charged == 1
    assert f"contract {contract.contract_id}: its error is not recorded" in caplog.text
    assert errors_of(contract) == (0, "", False)
    assert contract.next_charge_at is not None  # the end of its lease
    assert contract.next_charge_at <= timezone.now() + timedelta(minutes=2)
    well.refresh_from_db()
    assert well.period == 2
