"""The scan for card numbers that shops can run in their own tests."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client

from nexi_payments import sealed_cards
from nexi_payments.card import Card
from nexi_payments.models import PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Simulator
from nexi_payments.testing import CardDataScan
from tests.support import warm_processes
from tests.support.clerk import PERMISSIONS, Clerk, confirm_action
from tests.support.shopper import CARDS, Shopper, new_order, parse_form

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]
pytest_plugins = ["nexi_payments.testing.pytest_plugin"]

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
    answer = shopper.submit_card(new_order(terminal=terminal), ending)
    assert_no_card_data()  # while it is held
    if b"ReturnUrl" in answer.content:
        form = parse_form(answer)
        shopper.return_from_issuer(form, shopper.answer_challenge(form))


def test_nothing_is_left_of_the_desk(
    assert_no_card_data: Any, gateway: Simulator
) -> None:
    clerk = Clerk(*PERMISSIONS)
    order = clerk.take_phone_order()
    confirm_action(clerk, order, "refund", amount="12.50", expected_remaining="12.50")


def planted(place: str) -> None:
    if place == "table":
        PaymentOrder.objects.update(customer_name=f"Giulia {GROUPED}")
    elif place == "logs":
        logging.getLogger("some.shop").debug("paid with %s", PAN)
    elif place == "emails":
        mail.EmailMessage(
            "Hi", f"your card {PAN}", "a@b.example", ["c@d.example"]
        ).send()
    elif place == "sessions":
        session = SessionStore()
        session["card"] = PAN
        session.create()
    elif place == "cache":
        cache.set("card", PAN)
    elif place == "responses":
        Client(HTTP_HOST="127.0.0.1").get("/admin/login/", {"next": f"/{PAN}/"})


@pytest.mark.parametrize(
    "place", ["table", "logs", "emails", "sessions", "cache", "responses"]
)
def test_it_sees_a_card_anywhere(order: PaymentOrder, place: str) -> None:
    with CardDataScan(PAN) as leaks:
        assert leaks.findings() == []
        planted(place)
        assert any(one.startswith(place) for one in leaks.findings()), leaks.findings()
    cache.clear()


def test_it_sees_sql_and_the_files_of_sqlite(order: PaymentOrder) -> None:
    with CardDataScan(PAN) as leaks:
        planted("table")
        PaymentOrder.objects.update(customer_name="")
        found = leaks.findings()
    # the row is gone; what was written to the log of SQL, and to the disk, is not
    assert "logs: …4549" in found
    if connection.vendor == "sqlite":
        assert any(one.startswith("file ") for one in found), found


def test_a_security_code_inside_a_longer_number_is_chance() -> None:
    with CardDataScan("0739") as leaks:
        logging.getLogger("shop").info("at 10:52:50.073966 0.10739 s")
        assert leaks.findings() == []
        logging.getLogger("shop").info("cvv=0739")
        assert leaks.findings() == ["logs: …0739"]


def test_it_knows_the_cards_that_were_made_meanwhile() -> None:
    with CardDataScan() as leaks:
        Card(PAN, "1230", "396")
        assert leaks.secrets == {PAN}
    Card(CARDS["declined"].number, "1230")
    assert leaks.secrets == {PAN}


def test_it_tries_what_the_server_has_on_the_held_card(
    shopper: Shopper, order: PaymentOrder
) -> None:
    with CardDataScan() as leaks:
        form = shopper.start(order)
        assert SealedCard.objects.count() == 1
        assert leaks.findings() == []
        token = form.fields["ReturnUrl"].rstrip("/").rpartition("/")[2]
        # a shop that writes the ReturnUrl's token down gives the card away
        PaymentOrder.objects.update(description=token)
        assert leaks.decrypted() == [PAN]
        assert leaks.findings() == ["sealed card: …4549"]
        assert sealed_cards.hash_token(token) == PaymentOrder.objects.get().token_hash


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
from nexi_payments.testing import CardDataScan
from nexi_payments.simulator import Simulator
from nexi_payments import conf, flows
from nexi_payments.conf import gateway_factory
from tests.support.shopper import Shopper, new_order, CARDS
gateway = Simulator()
gateway_factory.simulator = conf.simulator = lambda: gateway
with CardDataScan() as leaks:
    shopper = Shopper(gateway, raise_request_exception=False)
    form = shopper.start(new_order())
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    def broken(*args, **kwargs):
        raise ZeroDivisionError
    real, flows.three_ds.outcomes.of_init = flows.three_ds.outcomes.of_init, broken
    assert shopper.submit_card(new_order()).status_code == 500
    flows.three_ds.outcomes.of_init = real
    sentry_sdk.flush()
    assert b"ZeroDivisionError" in sent[0].serialize()
    print("clean", leaks.findings())
    sentry_sdk.capture_message("card " + CARDS["challenge"].number)
    print("planted", leaks.findings())
"""


def test_what_sentry_would_be_sent(migrated: Path) -> None:
    pytest.importorskip("sentry_sdk")
    done = warm_processes.run(
        *("-c", SENTRY),
        env={
            "PATH": "",
            "DATABASE_URL": f"sqlite:///{migrated}",
        },
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["clean []", "planted ['sentry: …4549']"]
