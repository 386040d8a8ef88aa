"""The forms in which people write to us: they can be read, and they warn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import doc_pages

FORMS = sorted((doc_pages.ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
TYPES = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_is_one(path: Path) -> None:
    form = read(path)
    if path.name == "config.yml":
        assert form["blank_issues_enabled"] is False
        assert form["contact_links"] == []
        return
    assert {"name", "description", "body"} <= set(form)
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids))
    for part in form["body"]:
        assert part["type"] in TYPES
        assert part["attributes"].get("label") or part["attributes"]["value"]


def test_a_report_warns_of_card_data_before_anything_else() -> None:
    first = read(doc_pages.ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml")["body"][0]
    for word in ("card numbers", "security codes", "API keys", "SEALED_CARD_KEYS"):
        assert word in first["attributes"]["value"]


def test_no_address_is_invented() -> None:
    for name in ("SECURITY.md", "CODE_OF_CONDUCT.md"):
        text = (doc_pages.ROOT / name).read_text()
        assert not re.search(r"\b[\w.]+@[\w.]+\.\w+", text), name
        assert "privately" in text
