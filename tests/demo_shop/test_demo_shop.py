"""The demo shop, over the front door of the package, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from django.core.management import CommandError

from demo_shop import ports, test_card_groups
from nexi_payments.simulator import TEST_CARDS
from tests.support import warm_processes

pytestmark = pytest.mark.seen_on("sqlite")

ROOT = Path(__file__).resolve().parents[2]

SEEDS = """
import django
django.setup()
from django.conf import settings
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
from django.core.management import call_command
call_command("demo", no_serve=True)
call_command("demo", no_serve=True)          # again: changes nothing
settings.ALLOWED_HOSTS = ["127.0.0.1"]
from django.test import Client
from django.contrib.auth.models import User
from demo_shop.models import Product
assert Product.objects.count() == 4 and User.objects.count() == 6
c = Client(HTTP_HOST="127.0.0.1")
assert c.login(username="shopper", password="shopper")
assert c.get("/admin/").status_code == 302
assert c.login(username="manager", password="manager")
for page in ("", "moto/", "review-queue/"):
    assert c.get("/admin/nexi_payments/paymentorder/" + page).status_code == 200, page
assert not User.objects.get(username="manager").is_superuser
assert c.login(username="admin", password="admin")
assert c.get("/admin/").status_code == 200
print("ALL WELL")
"""


def in_the_demo(tmp_path: Path, *arguments: str) -> CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return warm_processes.run(
        *arguments,
        env={
            **environment,
            "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'demo.sqlite3'}",
            "NEXI_SIMULATOR_STATE": str(tmp_path / "simulator.sqlite3"),
            "PYTHONPATH": str(ROOT),
        },
        cwd=ROOT,
    )


def test_the_demo_sets_itself_up_once(tmp_path: Path) -> None:
    done = in_the_demo(tmp_path, "-c", SEEDS)
    assert "ALL WELL" in done.stdout, done.stdout + done.stderr
    assert "shopper / shopper" in done.stdout


def test_the_shop_passes_its_own_tests(tmp_path: Path) -> None:
    """With the fixture that every shop has; the coffee club, and what is behind the
    scenes. All in one process: it is the start that takes long."""
    own = [
        f"tests/hosts/{name}.py"
        for name in ("demo_checkout", "demo_contracts", "demo_simulator_panel")
    ]
    quiet = ("-q", "-p", "no:cacheprovider", "-p", "no:schemathesis")
    done = in_the_demo(
        tmp_path, "-m", "pytest", *quiet, "--ds=demo_shop.settings", *own
    )
    assert "61 passed" in done.stdout, done.stdout + done.stderr


def test_a_busy_port_is_said_before_anything_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = in_the_demo(tmp_path, "manage.py", "demo", "--port", str(port))
    assert done.returncode == 1
    assert done.stdout == ""  # no logins
    assert f"Port {port} is in use. Choose another one: make demo PORT=" in done.stderr
    assert not (tmp_path / "demo.sqlite3").exists()


def test_without_a_wish_it_takes_the_next_free_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = set(range(8000, 8003))
    monkeypatch.setattr(ports, "is_free", lambda port: port not in busy)
    assert ports.choose(None) == 8003
    assert ports.choose(9000) == 9000
    with pytest.raises(CommandError, match="Port 8001 is in use"):
        ports.choose(8001)
    busy |= set(range(8000, 8020))
    with pytest.raises(CommandError, match=r"Ports 8000 to 8019 are .* PORT=8020"):
        ports.choose(None)


def test_a_port_is_free_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not ports.is_free(port)
    assert ports.is_free(port)


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [((), "manage.py demo "), (("PORT=8123",), "manage.py demo --port 8123")],
)
def test_make_passes_on_a_port_only_if_there_is_one(
    given: tuple[str, ...], passed_on: str
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PORT"}
    asked = ["make", "-n", "demo", *given]
    done = subprocess.run(
        asked, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    (line,) = [one for one in done.stdout.splitlines() if "manage.py demo" in one]
    assert passed_on.strip() in line
    assert ("--port" in line) is bool(given)


def test_the_demo_needs_debug(tmp_path: Path) -> None:
    done = warm_processes.run(
        *("manage.py", "demo", "--no-serve"),
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
            "DEBUG": "false",
            "SECRET_KEY": "x",
            "NEXI_API_KEY": "k",
            "NEXI_BASE_URL": "http://localhost:1/",
            "NEXI_PUBLIC_URL": "http://127.0.0.1:8000",
            "NEXI_SEALED_CARD_KEYS": "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'demo.sqlite3'}",
        },
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert "needs DEBUG" in done.stderr
    assert not (tmp_path / "demo.sqlite3").exists()


def test_each_test_card_stands_in_one_group_that_says_how_it_ends() -> None:
    shown = [card for _title, cards in test_card_groups.groups() for card in cards]
    assert sorted(card.number for card in shown) == sorted(
        card.number for card in TEST_CARDS
    )
    titles = [str(title) for title, _cards in test_card_groups.groups()]
    assert titles[:3] == [
        "It is paid",
        "It is refused",
        "Something goes wrong on the way",
    ]
    assert "Other outcomes" not in titles  # a new card needs a place
