"""The chain of hashes: what was changed, cut or deleted is found."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from nexi_payments import audit, flows
from nexi_payments.audit import chain, export, triggers, verification
from nexi_payments.enums import AccessKind
from nexi_payments.models import CardVerification, Event, Operation, PaymentOrder
from nexi_payments.models.audit import AuditEntry, StaffAccess
from nexi_payments.retention import archive, erasure
from nexi_payments.simulator import Simulator
from tests.support.clerk import PERMISSIONS, Clerk, action_url, result_url
from tests.support.concurrency import run_concurrently
from tests.support.in_doubt import time_travel

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86_400
ANNA = flows.Actor(name="anna", address="192.0.2.7")


def write(count: int) -> None:
    for number in range(count):
        audit.record_access(AccessKind.VIEWED, ANNA, page=f"page-{number}")


@pytest.fixture
def order(gateway: Simulator) -> PaymentOrder:
    """Entry 1: opened; 2: the charge; 3: asked by hand; 4: cards verified."""
    anna = Clerk(*PERMISSIONS, name="anna")
    taken = anna.take_phone_order()
    anna.post(action_url(taken, "inquire"))
    CardVerification.objects.create(
        order_id="V1",
        actor_name="anna",
        audit_due=True,
        outcome="done",
        created_at=timezone.now(),
    )
    assert audit.append_due() == 4
    return taken


def test_each_entry_names_the_one_before_it() -> None:
    write(3)
    assert audit.append_due() == 3
    write(2)
    assert audit.append_due() == 2
    assert audit.append_due() == 0
    entries = list(AuditEntry.objects.all())
    assert [one.number for one in entries] == [1, 2, 3, 4, 5]
    assert [json.loads(one.facts)["page"] for one in entries] == [
        "page-0",
        "page-1",
        "page-2",
        "page-0",
        "page-1",
    ]
    hashes = [one.hash for one in entries]
    assert [one.previous for one in entries] == ["", *hashes[:-1]]
    result = audit.verify({1: hashes[0], 5: hashes[4]})
    assert (result.entries, result.problem_count) == (5, 0)
    assert result.head == f"5:{hashes[4]}"


def test_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BATCH_SIZE", 2)
    monkeypatch.setattr(verification, "PAGE_SIZE", 2)
    write(5)
    assert audit.append_due() == 5
    assert audit.verify().entries == 5
    assert StaffAccess.objects.count() == 0


def test_many_reconcilers_write_one_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BATCH_SIZE", 3)
    write(20)
    written = run_concurrently(6, lambda place: audit.append_due())
    written.append(audit.append_due())
    assert sum(written) == 20
    result = audit.verify()
    assert (result.entries, result.problems) == (20, [])


def test_a_loser_changes_nothing(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process writes the same numbers between our look and our insert."""
    write(2)
    head = chain.head

    def overtaken() -> AuditEntry | None:
        found = head()
        monkeypatch.setattr(chain, "head", head)
        monkeypatch.setattr(
            AuditEntry.objects,
            "bulk_create",
            lambda rows: (_ for _ in ()).throw(IntegrityError),
        )
        return found

    monkeypatch.setattr(chain, "head", overtaken)
    assert audit.append_due() == 0
    monkeypatch.undo()
    assert (StaffAccess.objects.count(), AuditEntry.objects.count()) == (2, 0)
    assert audit.append_due() == 2


CHANGES: dict[str, tuple[Callable[[PaymentOrder], Any], str]] = {
    "a fact": (
        lambda order: AuditEntry.objects.filter(number=2).update(facts="{}"),
        "entry 2 is not as it was written",
    ),
    "a kind": (
        lambda order: AuditEntry.objects.filter(number=2).update(kind="refund"),
        "entry 2 is not as it was written",
    ),
    "a time": (
        lambda order: AuditEntry.objects.filter(number=1).update(at=timezone.now()),
        "entry 1 is not as it was written",
    ),
    "a name": (
        lambda order: AuditEntry.objects.filter(number=2).update(
            personal='{"actor":"bob"}'
        ),
        "the personal data of entry 2 was changed",
    ),
    "a name, erased": (
        lambda order: AuditEntry.objects.filter(number=2).update(personal="", salt=""),
        "the personal data of entry 2 was erased too early",
    ),
    "an entry is gone": (
        lambda order: AuditEntry.objects.filter(number=2).delete(),
        "entry 2 is missing",
    ),
    "the first is gone": (
        lambda order: AuditEntry.objects.filter(number=1).delete(),
        "entry 1 is missing",
    ),
    "an event is gone": (
        lambda order: (
            Event.objects.exclude(audit_due=True).exclude(actor_name="").delete()
        ),
        "event {event} of {order}, entry 3, is gone",
    ),
    "an event is of somebody else": (
        lambda order: Event.objects.exclude(actor_name="").update(actor_name="bob"),
        "event {event} of {order}, entry 3, was changed",
    ),
    "an event has another address": (
        lambda order: Event.objects.exclude(actor_name="").update(address="1.2.3.4"),
        "event {event} of {order}, entry 3, was changed",
    ),
    "an amount": (
        lambda order: Operation.objects.update(amount=1),
        "operation {operation} of {order}, entry 2, was changed",
    ),
    "a verification is gone": (
        lambda order: CardVerification.objects.all().delete(),
        "is gone",
    ),
    "an action was hidden from it": (
        lambda order: Event.objects.create(
            order=order,
            kind="inquired",
            from_state="paid",
            to_state="paid",
            actor_name="bob",
            created_at=timezone.now(),
        ),
        "is not in the trail",
    ),
    "an action waits": (
        lambda order: Operation.objects.update(
            audit_due=True, created_at=timezone.now() - timedelta(hours=2)
        ),
        "1 rows (operation) wait for more than an hour: does nexi_reconcile run?",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_found(order: PaymentOrder, name: str) -> None:
    assert audit.verify().problems == []
    event = Event.objects.exclude(actor_name="").get().pk
    operation = Operation.objects.get().pk
    change, expected = CHANGES[name]
    change(order)
    text = expected.format(event=event, operation=operation, order=order.order_id)
    found = audit.verify().problems
    assert any(text in problem for problem in found), found


def test_a_deleted_user_and_a_later_outcome_are_no_change(order: PaymentOrder) -> None:
    Event.objects.update(actor=None)
    Operation.objects.update(actor=None, outcome="in_doubt")
    assert audit.verify().problems == []


def test_only_an_anchor_shows_that_the_end_was_cut_off(
    order: PaymentOrder, capsys: Any, caplog: Any
) -> None:
    caplog.set_level("INFO", "nexi_payments.audit")
    write(1)
    audit.append_due()
    (line,) = [one.getMessage() for one in caplog.records]
    anchor = line.rpartition(" ")[2]
    assert anchor.startswith("5:")
    AuditEntry.objects.filter(number=5).delete()
    assert audit.verify().problems == []

    def doctor(*options: str) -> tuple[int, str]:
        try:
            call_command("nexi_doctor", "--offline", *options)
            code = 0
        except SystemExit as end:
            code = int(str(end.code))
        return code, capsys.readouterr().out

    code, said = doctor("--verify-audit")
    assert "  verified: 4 entries, 0 problems, 0 of archived payments\n" in said
    last = AuditEntry.objects.get(number=4)
    assert f"audit trail: 4 entries, anchor 4:{last.hash}\n" in said
    code, said = doctor("--verify-audit", "--anchor", anchor)
    assert code == 1
    assert "  entry 5 is missing: there is an anchor of it\n" in said
    with pytest.raises(CommandError, match="NUMBER:HASH"):
        call_command("nexi_doctor", "--anchor", "5")


def test_erasing_breaks_nothing(order: PaymentOrder, change_settings: Any) -> None:
    change_settings(RETENTION=30 * DAY)
    with time_travel(31 * DAY):
        erasure.erase()
        assert audit.verify().problems == []
    event = Event.objects.exclude(actor_name="").get()
    assert (event.actor_name, event.address) == ("anna", "10.1.2.3")
    assert not AuditEntry.objects.filter(personal="").exists()
    hashes = [one.hash for one in AuditEntry.objects.all()]
    with time_travel(367 * DAY):
        erasure.erase()
        assert audit.verify().problems == []
    assert not Event.objects.exclude(actor_name="").exists()
    assert not Operation.objects.exclude(address=None).exists()
    assert set(AuditEntry.objects.values_list("personal", "salt")) == {("", "")}
    assert [one.hash for one in AuditEntry.objects.all()] == hashes
    order.refresh_from_db()
    assert (order.clerk_name, order.clerk is None) == ("", False)


def test_what_is_not_in_the_trail_yet_is_not_erased(
    order: PaymentOrder, change_settings: Any
) -> None:
    change_settings(RETENTION=30 * DAY)
    Operation.objects.update(audit_due=True)
    with time_travel(400 * DAY):
        erasure.erase()
    assert Operation.objects.get().actor_name == "anna"


def test_the_address_of_a_customer_goes_with_retention(
    order: PaymentOrder, change_settings: Any
) -> None:
    change_settings(RETENTION=30 * DAY)
    clerk = Clerk(*PERMISSIONS, name="bob")
    clerk.post(result_url(order) + "email/", email="g@example.com", language="en")
    audit.append_due()
    assert "g@example.com" not in json.dumps(list(export.json_lines()))
    assert Event.objects.get(kind="receipt_emailed").note == "g@example.com"
    with time_travel(31 * DAY):
        erasure.erase()
        assert audit.verify().problems == []
    event = Event.objects.get(kind="receipt_emailed")
    assert (event.note, event.actor_name) == ("", "bob")


def test_archived_payments_stay_in_the_trail(
    order: PaymentOrder, tmp_path: Path
) -> None:
    with time_travel(401 * DAY):
        assert archive.archive(tmp_path, timezone.now() - archive.MINIMUM_AGE, 10)
        file = next(tmp_path.iterdir())
        assert "anna" not in json.dumps(list(archive.read_archive(file)))
        audit.append_due()
        result = audit.verify()
    assert not PaymentOrder.objects.exists()
    assert (result.problems, result.archived, result.entries) == ([], 2, 5)
    last = AuditEntry.objects.get(number=5)
    assert (last.kind, json.loads(last.facts)["detail"]) == (
        "archived",
        f"{file.name}: 1 payments",
    )
    AuditEntry.objects.filter(number=5).delete()
    assert audit.verify().problems == [
        "the payments of 2 entries are gone, and none was archived"
    ]


def test_what_the_trail_lacks_is_not_archived(order: PaymentOrder) -> None:
    old = timezone.now() + timedelta(days=1)
    PaymentOrder.objects.update(watch_until=None, next_poll_at=None)
    assert archive.archivable_orders(old).count() == 1
    Event.objects.filter(actor_name="anna").update(audit_due=True)
    assert archive.archivable_orders(old).count() == 0


# -- export ----------------------------------------------------------------------------


def test_json_lines_can_be_verified_without_us(order: PaymentOrder) -> None:
    previous = ""
    lines = [json.loads(line) for line in export.json_lines()]
    assert [one["number"] for one in lines] == [1, 2, 3, 4]
    for one in lines:
        personal = sha256((one["salt"] + one["personal"]).encode()).hexdigest()
        assert (one["previous"], one["personal_digest"]) == (previous, personal)
        names = "number source source_id kind at about facts personal_digest previous"
        text = json.dumps(
            [one[name] for name in names.split()],
            separators=(",", ":"),
            ensure_ascii=False,
        )
        previous = sha256(text.encode()).hexdigest()
        assert one["hash"] == previous


def test_the_export_reads_a_page_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE_SIZE", 2)
    write(5)
    audit.append_due()
    lines = export.json_lines()
    next(lines)
    AuditEntry.objects.filter(number__gt=2).delete()  # not read yet
    assert len(list(lines)) == 1


def test_the_export_of_some_days(capsys: Any) -> None:
    write(1)
    with time_travel(2 * DAY):
        write(1)
        audit.append_due()
        today = timezone.localdate().isoformat()
        out = io.StringIO()
        call_command("nexi_audit", "--since", today, "--until", today, stdout=out)
        earlier = io.StringIO()
        call_command("nexi_audit", "--until", today, stdout=earlier)
    assert [json.loads(one)["number"] for one in out.getvalue().splitlines()] == [2]
    assert len(earlier.getvalue().splitlines()) == 2


# -- append-only -----------------------------------------------------------------------


def refused(change: Callable[[], Any]) -> bool:
    try:
        with transaction.atomic():
            change()
    except Exception as error:
        return "append-only" in str(error)
    return False


@pytest.mark.only_on("postgresql")
def test_postgresql_refuses_changes(change_settings: Any, capsys: Any) -> None:
    write(2)
    audit.append_due()
    call_command("nexi_audit", "--triggers")
    sql = capsys.readouterr().out
    try:
        for _ in range(2):  # again is the same
            with connection.cursor() as cursor:
                cursor.execute(sql)
        first = AuditEntry.objects.filter(number=1)
        assert refused(lambda: first.update(kind="denied"))
        assert refused(lambda: first.update(personal="", salt=""))
        assert refused(lambda: first.delete())
        table = AuditEntry._meta.db_table
        with connection.cursor() as cursor:
            assert refused(lambda: cursor.execute(f"TRUNCATE {table}"))
        write(1)
        assert audit.append_due() == 1
        assert audit.verify().problems == []
        change_settings(AUDIT_RETENTION=DAY)
        with connection.cursor() as cursor:
            cursor.execute(triggers.postgresql_triggers().replace("86400.", "0."))
        assert refused(lambda: first.update(personal="", salt="", kind="denied"))
        assert refused(lambda: first.update(personal='{"actor":"bob"}'))
        assert first.update(personal="", salt="") == 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION nexi_audit_append_only CASCADE")
