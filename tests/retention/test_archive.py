"""Archiving: finished payments are deleted only after their file is verified."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from nexi_payments import audit, flows
from nexi_payments.enums import (
    ContractKind,
    ContractState,
    OperationKind,
    OperationOutcome,
    OrderState,
)
from nexi_payments.models import (
    Approval,
    Contract,
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
    QueuedRefund,
)
from nexi_payments.retention import archive
from nexi_payments.simulator import Simulator
from tests.support.approvals import actor, new_approval
from tests.support.in_doubt import time_travel
from tests.support.queued_refunds import enqueue_and_die
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86_400
OLD = 401 * DAY
CUSTOMER = {"name": "Giulia Bianchi", "email": "g@example.com"}


def run(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("nexi_archive", *words, stdout=out, **options)
    return out.getvalue()


def archived(folder: Path) -> list[dict[str, Any]]:
    return [
        line for file in sorted(folder.iterdir()) for line in archive.read_archive(file)
    ]


@pytest.fixture
def old() -> Iterator[None]:
    with time_travel(OLD):
        yield


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-1", customer=CUSTOMER))
    flows.refund(order, Decimal("2.50"))
    flows.reconcile(order)
    order.refresh_from_db()
    assert (order.state, order.refunded_amount) == (OrderState.PAID, 250)
    return order


def test_a_payment_goes_into_a_file_whole(
    paid: PaymentOrder, old: None, tmp_path: Path
) -> None:
    columns = ("kind", "amount", "outcome", "authorization_code", "rrn")
    operations = [list(row) for row in paid.operations.values_list(*columns)]
    events = list(paid.events.values_list("kind", flat=True))
    out = run("--older-than", "400", "--to", str(tmp_path))
    (file,) = tmp_path.iterdir()
    assert out == f"{file} removed=1 kept=0\n"
    for model in (PaymentOrder, Operation, Event):
        assert model._default_manager.count() == 0
    (line,) = archived(tmp_path)
    order = line["order"]
    assert (order["order_id"], order["reference"]) == (paid.order_id, "R-1")
    assert (order["captured_amount"], order["refunded_amount"]) == (1250, 250)
    kept = [[row[name] for name in columns] for row in line["operations"]]
    assert kept == operations
    assert [row["kind"] for row in line["events"]] == events
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("--verify", str(file)) == f"{file} orders=1 EUR=1250-250\n"


def test_nobody_can_be_told_from_it(
    paid: PaymentOrder, old: None, tmp_path: Path
) -> None:
    assert paid.operations.filter(address="127.0.0.1").exists()
    run("--older-than", "400", "--to", str(tmp_path))
    (file,) = tmp_path.iterdir()
    text = gzip.decompress(file.read_bytes()).decode()
    assert "R-1" in text
    for word in ("Giulia", "g@example.com", "127.0.0.1", "token_hash"):
        assert word not in text, word


@pytest.mark.parametrize(
    "changes",
    [
        {"state": OrderState.REVIEW, "live_reference": None},
        {"state": OrderState.AUTHORIZED},
        {"unsettled_since": timezone.now()},
        {"next_poll_at": timezone.now()},
        {"watch_until": timezone.now() + timedelta(days=1000)},
        {"refunding_amount": 100},
        {"queued_amount": 100},
        {"created_at": timezone.now() + timedelta(days=5)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_not_over_stays(
    paid: PaymentOrder, old: None, tmp_path: Path, changes: dict[str, Any]
) -> None:
    PaymentOrder.objects.update(**changes)
    assert run("--older-than", "400", "--to", str(tmp_path)) == ""
    assert PaymentOrder.objects.count() == 1
    assert list(tmp_path.iterdir()) == []


def test_a_queued_refund_keeps_its_order_and_goes_with_it(
    paid: PaymentOrder, tmp_path: Path
) -> None:
    row = enqueue_and_die(paid, "5.00", key="return 17", reason="Giulia wants it")
    with time_travel(OLD):
        assert run("--older-than", "400", "--to", str(tmp_path)) == ""
    assert QueuedRefund.objects.get() == row
    flows.withdraw_refund(row)
    with time_travel(OLD):
        run("--older-than", "400", "--to", str(tmp_path))
    assert (QueuedRefund.objects.count(), PaymentOrder.objects.count()) == (0, 0)
    (line,) = archived(tmp_path)
    (kept,) = line["queued_refunds"]
    assert (kept["key"], kept["amount"], kept["state"]) == (
        "return 17",
        500,
        "withdrawn",
    )
    assert "reason" not in kept


def test_an_open_approval_keeps_its_order_and_goes_with_it(
    paid: PaymentOrder, tmp_path: Path
) -> None:
    approval = new_approval(paid)
    with time_travel(OLD):
        assert run("--older-than", "400", "--to", str(tmp_path)) == ""
    assert Approval.objects.get() == approval
    chief = actor("bruno", "approve_payment")
    flows.approve(approval, actor=chief)
    audit.append_due()
    with time_travel(OLD):
        run("--older-than", "400", "--to", str(tmp_path))
    assert (Approval.objects.count(), PaymentOrder.objects.count()) == (0, 0)
    (line,) = archived(tmp_path)
    (kept,) = line["approvals"]
    assert (kept["amount"], kept["state"]) == (600, "used")
    assert not {"requester_name", "approver_name", "address", "reason"} & kept.keys()


def test_a_refund_that_was_sent_from_the_queue_is_archived(
    paid: PaymentOrder, tmp_path: Path
) -> None:
    flows.enqueue_refund(paid, Decimal("5.00"))
    with time_travel(OLD):
        run("--older-than", "400", "--to", str(tmp_path))
    assert (QueuedRefund.objects.count(), Operation.objects.count()) == (0, 0)
    (line,) = archived(tmp_path)
    assert [row["state"] for row in line["queued_refunds"]] == ["sent"]


def test_what_hangs_open_on_an_order_keeps_it(
    paid: PaymentOrder, old: None, tmp_path: Path
) -> None:
    def goes() -> str:
        return run("--older-than", "400", "--dry-run")

    assert goes() == "archivable=1\n"
    operation = paid.operations.filter(kind=OperationKind.REFUND)
    operation.update(outcome=OperationOutcome.ACCEPTED)
    assert goes() == "archivable=0\n"
    operation.update(outcome=OperationOutcome.DONE)
    event = paid.events.filter(kind="paid")
    event.update(deliver_at=timezone.now())
    assert goes() == "archivable=0\n"
    event.update(deliver_at=None)
    record = Discrepancy.objects.create(order=paid, kind="x", created_at=timezone.now())
    assert goes() == "archivable=0\n"
    record.resolved_at = timezone.now()
    record.save()
    assert goes() == "archivable=1\n"
    contract = Contract.objects.create(
        contract_id="C1",
        kind=ContractKind.UNSCHEDULED,
        state=ContractState.ACTIVE,
        created_at=timezone.now(),
    )
    PaymentOrder.objects.update(contract=contract)
    assert goes() == "archivable=0\n"
    Contract.objects.update(state=ContractState.ENDED)
    assert goes() == "archivable=1\n"
    run("--older-than", "400", "--to", str(tmp_path))
    assert Discrepancy.objects.count() == PaymentOrder.objects.count() == 0
    assert [row["kind"] for row in archived(tmp_path)[0]["discrepancies"]] == ["x"]


def test_what_was_refunded_lately_stays(
    paid: PaymentOrder, old: None, tmp_path: Path
) -> None:
    flows.refund(paid, Decimal("1.00"))
    flows.reconcile(paid)
    paid.refresh_from_db()
    assert (paid.refunded_amount, paid.next_poll_at) == (350, None)
    assert run("--older-than", "400", "--dry-run") == "archivable=0\n"
    with time_travel(OLD):
        assert run("--older-than", "400", "--dry-run") == "archivable=1\n"


def test_a_first_attempt_goes_after_the_later_ones(
    shopper: Shopper, old: None, tmp_path: Path
) -> None:
    first = new_order(reference="R-2")
    second = new_order(reference="R-3")
    moment = timezone.now() - timedelta(days=410)
    PaymentOrder.objects.update(
        state=OrderState.FAILED,
        live_reference=None,
        next_poll_at=None,
        created_at=moment,
    )
    PaymentOrder.objects.filter(pk=second.pk).update(retry_of=first)
    run("--older-than", "400", "--to", str(tmp_path))
    assert list(PaymentOrder.objects.values_list("pk", flat=True)) == [first.pk]
    run("--older-than", "400", "--to", str(tmp_path))
    assert PaymentOrder.objects.count() == 0
    assert len(list(tmp_path.iterdir())) == 2


def test_who_changes_meanwhile_stays(
    paid: PaymentOrder, old: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def slowly(handle: int) -> None:
        PaymentOrder.objects.update(refunded_amount=300)
        sync(handle)

    monkeypatch.setattr(archive.os, "fsync", slowly)
    outcome = archive.archive(tmp_path, timezone.now() - archive.MINIMUM_AGE, 10)
    assert outcome is not None
    assert (outcome.removed, outcome.kept) == (0, 1)
    assert PaymentOrder.objects.get().refunded_amount == 300
    assert paid.operations.count() == Operation.objects.count() > 0


def test_a_file_that_cannot_be_read_back_removes_nothing(
    paid: PaymentOrder, old: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", full)
    with pytest.raises(CommandError, match=r"nothing was removed: .*No space"):
        run("--older-than", "400", "--to", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert PaymentOrder.objects.get() == paid


def test_many_files_and_slices(
    old: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BATCH_SIZE", 2)
    for place in range(7):
        new_order(reference=f"R-{place}")
    moment = timezone.now() - timedelta(days=410)
    PaymentOrder.objects.update(
        state=OrderState.FAILED,
        live_reference=None,
        next_poll_at=None,
        created_at=moment,
    )
    out = run("--older-than", "400", "--to", str(tmp_path), "--limit", "5", max_files=9)
    assert [line.partition(" ")[2] for line in out.splitlines()] == [
        "removed=5 kept=0",
        "removed=2 kept=0",
    ]
    assert sorted(line["order"]["reference"] for line in archived(tmp_path)) == [
        f"R-{place}" for place in range(7)
    ]


@pytest.mark.parametrize("harm", ["amount", "line", "end", "cut", "other"])
def test_a_damaged_file_is_recognised(
    paid: PaymentOrder, old: None, tmp_path: Path, harm: str
) -> None:
    run("--older-than", "400", "--to", str(tmp_path))
    (file,) = tmp_path.iterdir()
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    packed = {
        "amount": [line.replace(b":1250,", b":1251,") for line in lines],
        "line": [lines[0], lines[2]],
        "end": lines[:2],
        "other": [json.dumps({"format": "x"}).encode()],
    }.get(harm, lines)
    data = gzip.compress(b"".join(packed))
    file.write_bytes(data[:-20] if harm == "cut" else data)
    with pytest.raises(CommandError, match=file.name):
        run("--verify", str(file))


def test_what_is_young_or_has_no_place_is_refused(tmp_path: Path) -> None:
    for words, message in (
        (["--older-than", "399", "--to", str(tmp_path)], "at least 400"),
        (["--older-than", "400", "--to", str(tmp_path / "no")], "existing folder"),
        (["--older-than", "400"], "existing folder"),
    ):
        with pytest.raises(CommandError, match=message):
            run(*words)
    with pytest.raises(ValueError, match="younger"):
        archive.archive(tmp_path, timezone.now(), 1)


def test_the_same_basket_may_be_paid_anew_afterwards(
    paid: PaymentOrder, old: None, tmp_path: Path, gateway: Simulator
) -> None:
    assert new_order(reference="R-1") == paid
    run("--older-than", "400", "--to", str(tmp_path))
    assert new_order(reference="R-1").state == OrderState.INIT
