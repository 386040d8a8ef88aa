"""Django projects that are not ours, made by ``startproject``, in a process each."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support import warm_processes

ROOT = Path(__file__).resolve().parents[2]
URLS = """
from django.urls import include, path

urlpatterns = [path("payments/", include("nexi_payments.urls"))]
"""


class Project:
    """``startproject shop`` in ``place``, with the app installed."""

    def __init__(self, place: Path, *settings: str) -> None:
        self.place = place
        self.run("-m", "django", "startproject", "shop", ".")
        self.write("shop/urls.py", URLS)
        lines = ('INSTALLED_APPS += ["nexi_payments"]', *settings)
        with (place / "shop/settings.py").open("a") as file:
            file.write("\n".join(lines) + "\n")

    def write(self, name: str, text: str) -> None:
        path = self.place / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "DJANGO", "COV", "NEXI"))
        }
        environment["PYTHONPATH"] = str(ROOT)
        return warm_processes.run(*arguments, env=environment, cwd=self.place)
