"""The table of known defects is about the code as it is (``make mutants`` runs it)."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.seen_on("sqlite")

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = runpy.run_path(str(ROOT / ".ci/mutants.py"))["MUTANTS"]


@pytest.mark.parametrize("name", MUTANTS)
def test_the_code_says_what_the_defect_replaces(name: str) -> None:
    path, says, instead, tests = MUTANTS[name]
    code = (ROOT / path).read_text()
    assert code.count(says) >= 1
    assert code.replace(says, instead) != code
    assert all((ROOT / one.partition("::")[0]).exists() for one in tests.split())
