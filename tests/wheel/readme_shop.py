"""A shop made of the wheel and the README's ten lines, with what any project has around
them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.wheel.distribution import ROOT

#: What stands around each of the README's parts in a real project.
_AROUND: Final = {
    "settings.py": """
import os

INSTALLED_APPS += ["shop"]
MIDDLEWARE.insert(2, "django.middleware.locale.LocaleMiddleware")
LINES
""",
    "urls.py": """
from django.urls import include, path

from shop import views

urlpatterns = [
    path("buy/", views.buy),
    path("thanks/", views.thanks),
    LINES,
]
""",
    "views.py": """
from decimal import Decimal
from types import SimpleNamespace

from django.http import HttpResponse
from django.shortcuts import redirect

from nexi_payments import flows


LINES


def buy(request):
    number = request.GET.get("number", "D-1001")
    order = SimpleNamespace(total=Decimal("12.50"), number=number)
    return checkout(request, order)


def thanks(request):
    return HttpResponse("Thank you for " + request.GET["payment"])
""",
    "receivers.py": """
from pathlib import Path

from django.dispatch import receiver

from nexi_payments.signals import payment_paid


LINES
""",
}
_APP: Final = """
from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        from shop import receivers  # noqa: F401
"""
#: In the README the receiver's body is the reader's.
_SHIPPED: Final = 'Path("shipped").open("a").write(order.reference)'


def readme_lines() -> dict[str, str]:
    """file → the README's lines for it."""
    text = (ROOT / "README.md").read_text()
    block = re.search(r"^## Ten lines\n+```python\n(.*?)^```", text, re.M | re.S)
    assert block is not None
    parts = re.split(r"^# (\w+\.py)\n", block[1], flags=re.M)[1:]
    return {
        name: lines.strip() for name, lines in zip(parts[::2], parts[1::2], strict=True)
    }


def write_project(project: Path) -> None:
    """Into a project made by ``django-admin startproject site_ .``, an app "shop"."""
    lines = readme_lines()
    assert list(lines) == list(_AROUND)
    assert "): ..." in lines["receivers.py"]
    lines["receivers.py"] = lines["receivers.py"].replace("): ...", f"): {_SHIPPED}")
    texts = {name: _AROUND[name].replace("LINES", lines[name]) for name in lines}
    with (project / "site_/settings.py").open("a") as settings:
        settings.write(texts["settings.py"])
    (project / "site_/urls.py").write_text(texts["urls.py"])
    app = project / "shop"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "apps.py").write_text(_APP)
    for name in ("views.py", "receivers.py"):
        (app / name).write_text(texts[name])
