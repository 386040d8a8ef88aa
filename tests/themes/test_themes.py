"""Under the admin themes that shops use, every page of ours still comes."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from tests.support import warm_processes

pytestmark = pytest.mark.seen_on("sqlite")

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("theme", ["", "unfold", "jazzmin", "grappelli"])
def test_every_page_under_a_theme(theme: str, migrated: Path) -> None:
    if theme and importlib.util.find_spec(theme) is None:
        pytest.skip(f"{theme} is not installed")
    done = warm_processes.run(
        *("-m", "tests.themes"),
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.themes.settings",
            "THEME": theme,
            "THEME_DATABASE": str(migrated),
        },
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 22
    refunds = [line for line in lines if "refund" in line]
    assert [line.split()[-2] for line in refunds] == ["200", "400"]
    for line in lines:
        if line in refunds:
            assert line.endswith(" ours"), line
            continue
        if "export" in line:
            assert line.endswith("200 nothing of ours"), line
            continue
        status = "400" if line.startswith("POST") else "200"
        assert line.endswith(f"{status} ours"), line
