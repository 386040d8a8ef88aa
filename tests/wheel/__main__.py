"""A newcomer's first hour, timed: builds the wheel, installs it into a clean
environment outside the checkout, makes a project, applies the README, and pays.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import requests

from tests.servers import free_port
from tests.wheel import distribution, shop
from tests.wheel.visitor import Visitor


class Newcomer:
    """An empty folder and an environment with nothing but the wheel."""

    def __init__(self, place: Path) -> None:
        self.project = place / "project"
        self.project.mkdir()
        self.bin = place / "environment" / "bin"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "DJANGO", "NEXI", "VIRTUAL"))
        }

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
                _wait_for(site)
                yield site
            finally:
                server.terminate()
                server.wait(20)


def _wait_for(site: str) -> None:
    for _ in range(200):
        try:
            requests.get(site, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the server did not start")


def first_payment(newcomer: Newcomer, wheel: Path) -> Iterator[str]:
    """By the README, from ``pip install`` to money. Yields the site, served, when the
    order is paid."""
    newcomer.run("pip", "install", "-q", "--disable-pip-version-check", str(wheel))
    newcomer.run("django-admin", "startproject", "site_", ".")
    shop.write(newcomer.project)
    newcomer.run("python", "manage.py", "migrate", "-v", "0")
    newcomer.run("python", "manage.py", "check")
    with newcomer.serving(free_port()) as site:
        end = Visitor(site).pay()
        assert end.startswith("Thank you for "), end
        public_id = end.removeprefix("Thank you for ")
        with closing(sqlite3.connect(newcomer.project / "db.sqlite3")) as database:
            rows = database.execute(_ORDERS).fetchall()
        assert rows == [("paid", "D-1001", 1250, public_id)], rows
        shipped = (newcomer.project / "shipped").read_text()
        assert shipped == "D-1001", shipped
        yield site


def look_around(newcomer: Newcomer, site: str) -> None:
    """Italian from the wheel's catalogue, styles and scripts from its static files,
    commands, and the reconciler."""
    visitor = Visitor(site, "it")
    page = visitor.get("/buy/?number=D-1002")
    assert "Numero della carta" in page, page
    assets = re.findall(r'(?:href|src)="(/static/nexi_payments/[^"]+)"', page)
    assert len(assets) >= 2, page
    for asset in assets:
        visitor.get(asset)
    assert "looked=0" in newcomer.run("python", "manage.py", "nexi_reconcile")
    missing = newcomer.run("python", "manage.py", "makemigrations", "--check")
    assert "No changes detected" in missing, missing
    found = newcomer.run("python", "-c", _WHERE).strip()
    assert found.startswith(str(newcomer.bin.parent)), found


_ORDERS = (
    "SELECT state, reference, captured_amount, public_id"
    " FROM nexi_payments_paymentorder"
)
_WHERE = "import nexi_payments; print(nexi_payments.__file__)"


def main(place: Path) -> None:
    began = time.monotonic()
    made = distribution.build(place)
    problems = distribution.judge(made, distribution.tracked())
    if problems:
        sys.exit("\n".join(problems))
    check = ("-m", "twine", "check", "--strict", str(made.wheel), str(made.sdist))
    subprocess.run([sys.executable, *check], check=True)
    print(f"built and judged in {time.monotonic() - began:.0f} s: {made.wheel.name}")
    newcomer = Newcomer(place)
    venv.create(newcomer.bin.parent, with_pip=True)
    began = time.monotonic()
    for site in first_payment(newcomer, made.wheel):
        took = time.monotonic() - began
        print(f"from pip install to the first paid order: {took:.0f} s")
        look_around(newcomer, site)
    everything = f"{made.wheel}[{','.join(sorted(distribution.EXTRAS))}]"
    newcomer.run("pip", "install", "-q", "--dry-run", everything)
    print("the wheel sells: paid, told, Italian, styled; its extras can be had")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        main(Path(folder))
