"""The lines of the quick start, and no other, in a project that ``startproject`` made:
``check`` has nothing to say, and the first mistake shows no card."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/quickstart.md").read_text()
CARD = {"card_number": "4349940199004549", "expiry": "12/30", "security_code": "0739"}
POST = f"""
import django
django.setup()
from urllib.parse import urlencode
from django.test import Client
browser = Client(HTTP_HOST="shop.invalid", raise_request_exception=False)
answer = browser.post(
    "/payments/pay/x/",
    urlencode({CARD}),
    content_type="application/x-www-form-urlencoded",
)
print(answer.status_code)
print(answer.content.decode())
"""


def lines_for(name: str) -> str:
    """The block of the quick start that begins with the name of a file."""
    found = re.search(rf"```python\n# {name}\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return found[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    run(tmp_path, "-m", "django", "startproject", "shop", ".")
    settings = tmp_path / "shop/settings.py"
    urls = tmp_path / "shop/urls.py"
    settings.write_text(f"import os\n{settings.read_text()}{lines_for('settings.py')}")
    imported = "from django.urls import include\n"
    urls.write_text(f"{imported}{urls.read_text()}{lines_for('urls.py')}")
    return tmp_path


def run(where: Path, *words: str) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{where}:{ROOT}",
        "DJANGO_SETTINGS_MODULE": "shop.settings",
    }
    done = subprocess.run(
        [sys.executable, *words], cwd=where, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_check_has_nothing_to_say(project: Path) -> None:
    said = run(project, "manage.py", "check", "--fail-level", "DEBUG")
    assert said == "System check identified no issues (0 silenced).\n"


def test_a_debug_page_shows_no_card(project: Path) -> None:
    """Of a mistake that everybody makes once: ``ALLOWED_HOSTS``."""
    status, _, page = run(project, "-c", POST).partition("\n")
    assert status == "400"
    assert "Invalid HTTP_HOST header" in page
    assert "Traceback" in page
    assert CARD["card_number"] not in page
    assert not re.search(r"(?<![\w.])0739(?![\w.])", page)
