"""System checks of database routers. Ids: docs/checks.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.db import router

from nexi_payments.models import PaymentOrder, db_transactions


def check_router(**kwargs: Any) -> list[CheckMessage]:
    """E012, E013: one database for all tables, also for reading. A transaction guards
    one database only, and a replica may lag behind the latest commit."""
    alias = db_transactions.alias()
    elsewhere = sorted(
        model.__name__
        for model in apps.get_app_config("nexi_payments").get_models()
        if router.db_for_write(model) != alias
    )
    found: list[CheckMessage] = []
    if elsewhere:
        found.append(
            Error(
                f"A router sends {', '.join(elsewhere)} to another database than"
                f" {alias!r}, where PaymentOrder is.",
                hint="Send all tables of nexi_payments to one database, in which users"
                " and content types are, too: payments refer to them.",
                id="nexi_payments.E012",
            )
        )
    found += _check_referenced_tables(alias)
    if router.db_for_read(PaymentOrder) != alias:
        found.append(
            Error(
                "A router reads payments from another database than they are written "
                "to.",
                hint="Exclude the app 'nexi_payments' from reading replicas.",
                id="nexi_payments.E013",
            )
        )
    return found


def _check_referenced_tables(alias: str) -> Iterator[CheckMessage]:
    """E051: a foreign key leads to another table of the same database."""
    referenced = {
        field.related_model
        for model in apps.get_app_config("nexi_payments").get_models()
        for field in model._meta.concrete_fields
        if isinstance(field.related_model, type)
    }
    elsewhere = sorted(
        model._meta.label
        for model in referenced
        if model._meta.app_label != "nexi_payments"
        and (
            router.db_for_write(model) != alias
            or not router.allow_migrate_model(alias, model)
        )
    )
    if elsewhere:
        yield Error(
            f"A router keeps {', '.join(elsewhere)} out of database {alias!r}, where"
            " PaymentOrder is: migrate or the first payment fails.",
            hint="Payments have foreign keys to them. Send users and content types to"
            " that database, or nexi_payments to theirs.",
            id="nexi_payments.E051",
        )
