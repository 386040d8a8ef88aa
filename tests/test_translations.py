"""Every text of ours stands in Italian beside English, and what ships is current."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("nexi_payments", "demo_shop")


def catalog(app: str) -> Path:
    return ROOT / app / "locale" / "it" / "LC_MESSAGES" / "django.po"


@pytest.mark.parametrize("app", APPS)
def test_nothing_is_untranslated_or_fuzzy(app: str) -> None:
    po = polib.pofile(str(catalog(app)))
    assert len(po) > 40
    assert [entry.msgid for entry in po if not entry.msgstr or entry.fuzzy] == []


@pytest.mark.parametrize("app", APPS)
def test_the_compiled_catalog_is_current(app: str) -> None:
    po = polib.pofile(str(catalog(app)))
    mo = polib.mofile(str(catalog(app).with_suffix(".mo")))
    assert {e.msgid: e.msgstr for e in mo} == {e.msgid: e.msgstr for e in po}


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="gettext is missing")
def test_every_text_in_the_code_is_in_the_catalog(tmp_path: Path) -> None:
    copy = tmp_path / "project"
    copy.mkdir()
    for name in (*APPS, "templates", "manage.py"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name)
        else:
            shutil.copy(source, copy / name)
    command = "manage.py makemessages -l it --no-location --no-obsolete"
    subprocess.run(
        [sys.executable, *command.split()],
        cwd=copy,
        check=True,
        capture_output=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "demo_shop.settings"},
    )
    for app in APPS:
        fresh = polib.pofile(
            str(copy / app / "locale" / "it" / "LC_MESSAGES" / "django.po")
        )
        assert {entry.msgid for entry in fresh} == {
            entry.msgid for entry in polib.pofile(str(catalog(app)))
        }
        assert [entry.msgid for entry in fresh if entry.fuzzy] == []
