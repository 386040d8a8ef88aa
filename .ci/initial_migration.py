"""Writes ``0001_initial`` anew from the models, as creations of whole tables only.

    python .ci/initial_migration.py

``makemigrations`` creates a table first and adds its indexes and constraints after all
tables. SQLite copies a table for each constraint and each foreign key that is added:
``migrate`` took 0.6 s of CPU longer, in each process of the tests that migrates. Until
0.1.0 this file writes the schema; later migrations are only added.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
APP = "nexi_payments"
FILE = ROOT / APP / "migrations/0001_initial.py"
HEAD = "# The schema of the first release.\n\n"

sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "demo_shop.settings"
os.environ["DATABASE_URL"] = "sqlite://:memory:"

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import migrations  # noqa: E402
from django.db.migrations.loader import MigrationLoader  # noqa: E402
from django.db.migrations.migration import SwappableTuple  # noqa: E402
from django.db.migrations.writer import MigrationWriter  # noqa: E402

Models = dict[str, migrations.CreateModel]


def whole_models(operations: list[Any]) -> Models:
    """The creations, each with what the other operations add to its model."""
    models: Models = {}
    for one in operations:
        if isinstance(one, migrations.CreateModel):
            models[one.name_lower] = one
        elif isinstance(one, migrations.AddField):
            models[one.model_name_lower].fields.append((one.name, one.field))
        elif isinstance(one, migrations.AddIndex):
            options = models[one.model_name_lower].options
            options.setdefault("indexes", []).append(one.index)
        elif isinstance(one, migrations.AddConstraint):
            options = models[one.model_name_lower].options
            options.setdefault("constraints", []).append(one.constraint)
        else:
            raise TypeError(one.describe())
    return models


def needed(model: migrations.CreateModel) -> Iterator[str]:
    """The other models of the app that it refers to."""
    related = (getattr(field, "remote_field", None) for _, field in model.fields)
    for one in (*model.bases, *(to.model for to in related if to)):
        app, _, name = str(one).lower().partition(".")
        if app == APP and name != model.name_lower:
            yield name


def place(name: str, models: Models, placed: Models) -> None:
    """Puts a model after those that it needs."""
    if name not in placed:
        for one in needed(models[name]):
            place(one, models, placed)
        placed[name] = models[name]


def write(migration: Any) -> None:
    models, placed = whole_models(migration.operations), Models()
    for name in models:
        place(name, models, placed)
    migration.operations = list(placed.values())
    # the value that was read of the setting becomes its name again
    migration.dependencies = [
        ("__setting__", "AUTH_USER_MODEL") if isinstance(one, SwappableTuple) else one
        for one in migration.dependencies
    ]
    FILE.write_text(HEAD + MigrationWriter(migration, include_header=False).as_string())


if __name__ == "__main__":
    FILE.unlink()
    call_command("makemigrations", APP, verbosity=0)
    write(MigrationLoader(None).disk_migrations[APP, FILE.stem])
