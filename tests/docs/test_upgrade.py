"""What docs/upgrade.md promises: the version before works on the new tables."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections, migrations
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED
from django.utils import timezone

from nexi_payments.models import Operation, PaymentOrder, database

#: the last migration before the promise was made
BEFORE = "0003"
ADDITIONS = (migrations.CreateModel, migrations.AddField, migrations.AddIndex)
#: Of these the version before sees nothing: permissions and words of choices.
UNSEEN = (migrations.AlterModelOptions,)
#: A check that lets more through than before; new tables have theirs.
WIDER = {"nexi_known_operation"}
WORDS = {
    ("operation", "kind"),
    ("paymentorder", "channel"),
    ("cardcheck", "outcome"),
}
NEW = {"contract", "cardcheck"}


def harmless(operation: Any) -> bool:
    if isinstance(operation, migrations.AlterField):
        return (operation.model_name, operation.name) in WORDS
    if isinstance(operation, migrations.RemoveConstraint):
        return operation.name in WIDER
    if isinstance(operation, migrations.AddConstraint):
        return operation.model_name in NEW or operation.constraint.name in WIDER
    return isinstance(operation, ADDITIONS + UNSEEN)


def later() -> list[tuple[str, Any]]:
    """Each operation of the migrations under the promise, with its migration."""
    graph = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    return [
        (name, operation)
        for (app, name), migration in sorted(graph.items())
        if app == "nexi_payments" and name[:4] > BEFORE
        for operation in migration.operations
    ]


def test_tables_only_grow_and_old_inserts_still_fit() -> None:
    assert later()
    for name, operation in later():
        assert harmless(operation), (name, operation.describe())
        if isinstance(operation, migrations.AddField):
            field: Any = operation.field
            unasked = field.null or field.db_default is not NOT_PROVIDED
            assert unasked, (name, operation.describe())


@pytest.mark.django_db(transaction=True)
def test_a_worker_of_the_version_before_writes_its_operation(
    order: PaymentOrder,
) -> None:
    row = Operation(
        order=order,
        kind="payment",
        outcome="done",
        correlation_id="c-1",
        created_at=timezone.now(),
    )
    connection = connections[database.alias()]
    new = {
        op.name
        for _, op in later()
        if isinstance(op, migrations.AddField) and op.model_name == "operation"
    }
    assert new == {"request_id", "warnings"}
    columns = {
        field.column: field.get_db_prep_save(field.pre_save(row, True), connection)
        for field in Operation._meta.concrete_fields
        if field.name not in {*new, "id"}
    }
    quoted = ", ".join(map(connection.ops.quote_name, columns))
    places = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Operation._meta.db_table} ({quoted}) VALUES ({places})",
            list(columns.values()),
        )
    assert order.operations.get().request_id == ""
