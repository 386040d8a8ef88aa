"""Under the admin themes that shops use, every page of ours still comes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("theme", ["", "unfold", "jazzmin", "grappelli"])
def test_every_page_under_a_theme(theme: str, tmp_path: Path) -> None:
    if theme and importlib.util.find_spec(theme) is None:
        pytest.skip(f"{theme} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "tests.themes"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.themes.settings",
            "THEME": theme,
            "THEME_DATABASE": str(tmp_path / "theme.sqlite3"),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 20
    for line in lines:
        if "export" in line:
            assert line.endswith("200 nothing of ours"), line
            continue
        status = "400" if line.startswith("POST") and "refund" not in line else "200"
        assert line.endswith(f"{status} ours"), line
