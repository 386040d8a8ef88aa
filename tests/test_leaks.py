"""The scan for card numbers that shops can run in their own tests."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client

from nexi_payments import hold
from nexi_payments.card import Card
from nexi_payments.models import Hold, PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.testing import Leaks
from tests.clerk import PERMISSIONS, Clerk, confirm
from tests.shopper import CARDS, Shopper, form_on, new_order

pytestmark = pytest.mark.django_db(transaction=True)
pytest_plugins = ["nexi_payments.testing.plugin"]

PAN = CARDS["challenge"].number
GROUPED = "4349 9401-9900 4549"


@pytest.mark.parametrize("terminal", ["default", "two"])
@pytest.mark.parametrize("ending", sorted(CARDS))
def test_nothing_is_left_of_any_ending(
    assert_no_card_data: Any,
    shopper: Shopper,
    gateway: Simulator,
    ending: str,
    terminal: str,
) -> None:
    answer = shopper.enter(new_order(terminal=terminal), ending)
    assert_no_card_data()  # while it is held
    if b"ReturnUrl" in answer.content:
        form = form_on(answer)
        shopper.come_back(form, shopper.answer(form))


def test_nothing_is_left_of_the_desk(
    assert_no_card_data: Any, gateway: Simulator
) -> None:
    clerk = Clerk(*PERMISSIONS)
    order = clerk.take()
    confirm(clerk, order, "refund", amount="12.50", seen="12.50")


def planted(place: str) -> None:
    if place == "table":
        PaymentOrder.objects.update(customer_name=f"Giulia {GROUPED}")
    elif place == "logs":
        logging.getLogger("some.shop").debug("paid with %s", PAN)
    elif place == "mails":
        mail.EmailMessage(
            "Hi", f"your card {PAN}", "a@b.example", ["c@d.example"]
        ).send()
    elif place == "sessions":
        session = SessionStore()
        session["card"] = PAN
        session.create()
    elif place == "cache":
        cache.set("card", PAN)
    elif place == "answers":
        Client(HTTP_HOST="127.0.0.1").get("/admin/login/", {"next": f"/{PAN}/"})


@pytest.mark.parametrize(
    "place", ["table", "logs", "mails", "sessions", "cache", "answers"]
)
def test_it_sees_a_card_anywhere(order: PaymentOrder, place: str) -> None:
    with Leaks(PAN) as leaks:
        assert leaks.found() == []
        planted(place)
        assert any(one.startswith(place) for one in leaks.found()), leaks.found()
    cache.clear()


def test_it_sees_sql_and_the_files_of_sqlite(order: PaymentOrder) -> None:
    with Leaks(PAN) as leaks:
        planted("table")
        PaymentOrder.objects.update(customer_name="")
        found = leaks.found()
    # the row is gone; what was written to the log of SQL, and to the disk, is not
    assert "logs: …4549" in found
    if connection.vendor == "sqlite":
        assert any(one.startswith("file ") for one in found), found


def test_a_security_code_inside_a_longer_number_is_chance() -> None:
    with Leaks("0739") as leaks:
        logging.getLogger("shop").info("at 10:52:50.073966 0.10739 s")
        assert leaks.found() == []
        logging.getLogger("shop").info("cvv=0739")
        assert leaks.found() == ["logs: …0739"]


def test_it_knows_the_cards_that_were_made_meanwhile() -> None:
    with Leaks() as leaks:
        Card(PAN, "1230", "396")
        assert leaks.secrets == {PAN}
    Card(CARDS["declined"].number, "1230")
    assert leaks.secrets == {PAN}


def test_it_tries_what_the_server_has_on_the_held_card(
    shopper: Shopper, order: PaymentOrder
) -> None:
    with Leaks() as leaks:
        form = shopper.start(order)
        assert Hold.objects.count() == 1
        assert leaks.found() == []
        token = form.fields["ReturnUrl"].rstrip("/").rpartition("/")[2]
        # a shop that writes the ReturnUrl's token down gives the card away
        PaymentOrder.objects.update(description=token)
        assert leaks.recovered() == [PAN]
        assert leaks.found() == ["hold: …4549"]
        assert hold.fingerprint(token) == PaymentOrder.objects.get().token_hash


SENTRY = """
import logging, os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import sentry_sdk
from sentry_sdk.transport import Transport
sent = []
class Keeps(Transport):
    def capture_envelope(self, envelope): sent.append(envelope)
sentry_sdk.init("https://k@sentry.invalid/1", transport=Keeps, traces_sample_rate=1.0,
                send_default_pii=True, max_request_body_size="always")
import django
django.setup()
from django.core.management import call_command
from django.test.utils import setup_test_environment
setup_test_environment()
call_command("migrate", verbosity=0)
from nexi_payments.testing import Leaks
from nexi_payments.simulator import Simulator
from nexi_payments import conf, flows
from nexi_payments.conf import links
from tests.shopper import Shopper, new_order, CARDS
gateway = Simulator()
links.simulator = conf.simulator = lambda: gateway
with Leaks() as leaks:
    shopper = Shopper(gateway, raise_request_exception=False)
    form = shopper.start(new_order())
    shopper.come_back(form, shopper.answer(form))
    def broken(*args, **kwargs):
        raise ZeroDivisionError
    real, flows.checkout.verdicts.of_init = flows.checkout.verdicts.of_init, broken
    assert shopper.enter(new_order()).status_code == 500
    flows.checkout.verdicts.of_init = real
    sentry_sdk.flush()
    assert b"ZeroDivisionError" in sent[0].serialize()
    print("clean", leaks.found())
    sentry_sdk.capture_message("card " + CARDS["challenge"].number)
    print("planted", leaks.found())
"""


def test_what_sentry_would_be_sent(tmp_path: Path) -> None:
    pytest.importorskip("sentry_sdk")
    done = subprocess.run(
        [sys.executable, "-c", SENTRY],
        env={
            "PATH": "",
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            "DATABASE_URL": f"sqlite:///{tmp_path / 'sentry.sqlite3'}",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["clean []", "planted ['sentry: …4549']"]
