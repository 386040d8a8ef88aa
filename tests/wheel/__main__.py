"""The first steps of a new user, timed: builds the wheel, installs it into a clean
environment outside the checkout, makes a project, applies the README, and pays.

    python -m tests.wheel [FOLDER]    keeps wheel and sdist in FOLDER when all went well
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support import typed_readme
from tests.support.servers import free_port, wait_until_up
from tests.wheel import distribution
from tests.wheel.form_browser import FormBrowser


class FreshProject:
    """An empty folder and an environment with nothing but the wheel."""

    def __init__(self, place: Path) -> None:
        self.project = place / "project"
        self.project.mkdir()
        self.bin = place / "environment" / "bin"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "DJANGO", "NEXI", "VIRTUAL"))
        } | {"PYTHONUNBUFFERED": "1"}

    def run(self, command: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.bin / command), *arguments],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"{command} {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    @contextmanager
    def serving(self, port: int) -> Iterator[str]:
        site = f"http://127.0.0.1:{port}/"
        with (self.project / "server.log").open("w") as log:
            server = subprocess.Popen(
                [
                    *(str(self.bin / "python"), "manage.py", "runserver"),
                    *("--noreload", f"127.0.0.1:{port}"),
                ],
                cwd=self.project,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
            try:
                wait_until_up(site, server)
                yield site
            finally:
                server.terminate()
                server.wait(20)


def first_payment(newcomer: FreshProject, wheel: Path) -> Iterator[str]:
    """By the README, from ``pip install`` to money. Yields the site, served, when the
    order is paid."""
    newcomer.run("pip", "install", "-q", "--disable-pip-version-check", str(wheel))
    for program, *words in typed_readme.commands():
        if program not in ("make", "pip"):
            newcomer.run(program, *words)
    typed_readme.type_readme(newcomer.project)
    with (newcomer.project / "yourproject/settings.py").open("a") as settings:
        settings.write(_LANGUAGES)
    newcomer.run("python", "manage.py", "migrate", "-v", "0")
    newcomer.run("python", "manage.py", "check")
    with newcomer.serving(free_port()) as site:
        shopper = FormBrowser(site)
        assert shopper.pay() == "Thank you"
        order_id = shopper.address.partition("/thanks/?payment=")[2]
        with closing(sqlite3.connect(newcomer.project / "db.sqlite3")) as database:
            rows = database.execute(_ORDERS).fetchall()
        [(state, reference, captured, ours)] = rows
        assert (state, captured, ours) == ("paid", 1250, order_id), rows
        log = (newcomer.project / "server.log").read_text()
        assert f"{reference} 12.50 EUR paid\n" in log, log
        yield site


def check_installed_features(newcomer: FreshProject, site: str) -> None:
    """Italian from the wheel's catalogue, styles and scripts from its static files,
    commands, and the reconciler."""
    visitor = FormBrowser(site, "it")
    page = visitor.get("/checkout/")
    assert "Numero della carta" in page, page
    assets = re.findall(r'(?:href|src)="(/static/nexi_payments/[^"]+)"', page)
    assert len(assets) >= 2, page
    for asset in assets:
        visitor.get(asset)
    assert "inquired=0" in newcomer.run("python", "manage.py", "nexi_reconcile")
    missing = newcomer.run("python", "manage.py", "makemigrations", "--check")
    assert "No changes detected" in missing, missing
    found = newcomer.run("python", "-c", _WHERE).strip()
    assert found.startswith(str(newcomer.bin.parent)), found


#: for the pages in Italian
_LANGUAGES = 'MIDDLEWARE.insert(2, "django.middleware.locale.LocaleMiddleware")\n'
_ORDERS = (
    "SELECT state, reference, captured_amount, order_id FROM nexi_payments_paymentorder"
)
_WHERE = "import nexi_payments; print(nexi_payments.__file__)"


def main(place: Path, keep: Path | None) -> None:
    began = time.monotonic()
    made = distribution.build(place)
    problems = distribution.find_problems(made, distribution.tracked_files())
    if problems:
        sys.exit("\n".join(problems))
    check = ("-m", "twine", "check", "--strict", str(made.wheel), str(made.sdist))
    subprocess.run([sys.executable, *check], check=True)
    print(f"built and judged in {time.monotonic() - began:.0f} s: {made.wheel.name}")
    newcomer = FreshProject(place)
    venv.create(newcomer.bin.parent, with_pip=True)
    began = time.monotonic()
    for site in first_payment(newcomer, made.wheel):
        took = time.monotonic() - began
        print(f"from pip install to the first paid order: {took:.0f} s")
        check_installed_features(newcomer, site)
    everything = f"{made.wheel}[{','.join(sorted(distribution.EXTRAS))}]"
    newcomer.run("pip", "install", "-q", "--dry-run", everything)
    print("the wheel sells: paid, told, Italian, styled; its extras can be had")
    if keep is not None:
        keep.mkdir(exist_ok=True)
        for file in (made.wheel, made.sdist):
            shutil.copy2(file, keep)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        main(Path(folder), Path(sys.argv[1]) if sys.argv[1:] else None)
