"""Search for stored card numbers (PCI DSS 12.10.7) in every text column of our tables,
and of the apps that are named. Card numbers are shown masked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.apps import apps
from django.db import models, router

from nexi_payments.doctor.findings import OK, WARNING, Finding
from nexi_payments.pan_scanner import find_masked_card_number

_TEXT_FIELDS: Final = (models.CharField, models.TextField, models.JSONField)
_CHUNK_SIZE: Final = 2000


def scan_texts(labels: Sequence[str]) -> Iterator[Finding]:
    """Scan ``nexi_payments`` and the apps in ``labels``. Raises ``LookupError`` for an
    unknown label."""
    configs = [apps.get_app_config(label) for label in ("nexi_payments", *labels)]
    values = found = 0
    for config in configs:
        for model in config.get_models():
            for location, text in _text_values(model):
                values += 1
                if mask := find_masked_card_number(text):
                    found += 1
                    yield _card_number_finding(*location, mask)
    yield Finding(
        "pan scan",
        f"scanned {values} texts of {', '.join(config.label for config in configs)}:"
        f" {found or 'no'} card numbers",
        WARNING if found else OK,
        {"texts": values, "found": found},
        indent=0,
    )


def _text_values(
    model: type[models.Model],
) -> Iterator[tuple[tuple[str, str, Any], str]]:
    """Each stored text of a model with its table, column and primary key."""
    if model._meta.proxy or not model._meta.managed:
        return
    fields = model._meta.local_fields
    columns = [field.attname for field in fields if _is_text_field(field)]
    if not columns:
        return
    rows = model._base_manager.using(router.db_for_write(model)).order_by("pk")
    for pk, *values in rows.values_list("pk", *columns).iterator(
        chunk_size=_CHUNK_SIZE
    ):
        for column, value in zip(columns, values, strict=True):
            if value:
                text = (
                    value
                    if isinstance(value, str)
                    else " x ".join(_json_strings(value))
                )
                yield (model._meta.db_table, column, pk), text


def _json_strings(value: Any) -> Iterator[str]:
    """The names and values in a JSON document.

    The serialized document is not scanned: it escapes digits of other scripts, and it
    puts unrelated numbers next to each other.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from _json_strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _json_strings(inner)
    else:
        yield str(value)


def _is_text_field(field: models.Field[Any, Any]) -> bool:
    return isinstance(field, _TEXT_FIELDS)


def _card_number_finding(table: str, column: str, pk: Any, mask: str) -> Finding:
    data = {"table": table, "column": column, "pk": str(pk), "number": mask}
    message = f"card number {mask} in {table}.{column}, row {pk}"
    return Finding("pan scan", message, WARNING, data, indent=0)
