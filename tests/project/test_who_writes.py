"""Only flows write rows: the admin and the API ask them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.seen_on("sqlite")

PACKAGE: Final = Path(__file__).resolve().parents[2] / "nexi_payments"
WRITES: Final = {
    "bulk_create",
    "create",
    "delete",
    "get_or_create",
    "save",
    "update_or_create",
    "write_event",
}
#: Keep the API's own records, and how staff want the list: nothing about payments.
EXEMPT: Final = {"api/idempotency.py", "admin/list_settings.py"}


def writes_in(code: str) -> list[str]:
    """Calls that write rows; ``update`` with keywords is a queryset's."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr in WRITES or (node.func.attr == "update" and node.keywords))
    ]


def test_writes_are_seen() -> None:
    code = "rows.update(state=1)\nrow.save()\nwords.update(more)\nrow.delete()"
    found = ["rows.update(state=1)", "row.save()", "row.delete()"]
    assert writes_in(code) == found


@pytest.mark.parametrize("folder", ["admin", "api", "views"])
def test_pages_write_no_rows(folder: str) -> None:
    paths = sorted((PACKAGE / folder).glob("*.py"))
    assert len(paths) > 4
    found = {
        path.name: writes
        for path in paths
        if str(path.relative_to(PACKAGE)) not in EXEMPT
        and (writes := writes_in(path.read_text()))
    }
    assert found == {}
