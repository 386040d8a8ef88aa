"""Card numbers where none must be (PCI DSS 12.10.7): every text column of our tables,
and of other apps that are named. What is found is shown masked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.apps import apps
from django.db import models, router

from nexi_payments.card import masked_card_number
from nexi_payments.doctor.findings import LOOK, Finding

_TEXTS: Final = (models.CharField, models.TextField, models.JSONField)
_CHUNK: Final = 2000
#: Ids that programs make: of many random ones some hold what could be a card number.
_IDS: Final = re.compile(
    r"\b[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\b"  # a UUID
    r"|\b(?=[0-9]*[a-f])[0-9a-f]{32,}\b"  # a digest
    r"|(?<![0-9])[0-9]{18}(?![0-9])",  # an operation at Nexi
    re.IGNORECASE,
)


def texts(labels: Sequence[str]) -> Iterator[Finding]:
    """``labels`` of further apps; unknown ones raise ``LookupError``."""
    wanted = [apps.get_app_config(label) for label in ("nexi_payments", *labels)]
    values = found = 0
    for config in wanted:
        for model in config.get_models():
            for where, text in _values(model):
                values += 1
                if mask := masked_card_number(_IDS.sub(" ", text)):
                    found += 1
                    yield _seen(*where, mask)
    yield Finding(
        "scan",
        f"scanned {values} texts of {', '.join(one.label for one in wanted)}:"
        f" {found or 'no'} card numbers",
        LOOK if found else "well",
        {"texts": values, "found": found},
        depth=0,
    )


def _values(model: type[models.Model]) -> Iterator[tuple[tuple[str, str, Any], str]]:
    if model._meta.proxy or not model._meta.managed:
        return
    columns = [one.attname for one in model._meta.local_fields if _is_text(one)]
    if not columns:
        return
    rows = model._base_manager.using(router.db_for_write(model)).order_by("pk")
    for pk, *values in rows.values_list("pk", *columns).iterator(chunk_size=_CHUNK):
        for column, value in zip(columns, values, strict=True):
            if value:
                text = value if isinstance(value, str) else json.dumps(value)
                yield (model._meta.db_table, column, pk), text


def _is_text(field: models.Field[Any, Any]) -> bool:
    return isinstance(field, _TEXTS)


def _seen(table: str, column: str, pk: Any, mask: str) -> Finding:
    facts = {"table": table, "column": column, "pk": str(pk), "number": mask}
    says = f"card number {mask} in {table}.{column}, row {pk}"
    return Finding("scan", says, LOOK, facts, depth=0)
