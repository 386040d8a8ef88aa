"""The demo's coffee club: a card is kept with a tick, shown, charged, given up. Run
under the demo's settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.shopper import Shopper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_collected_files(settings: Any) -> None:
    settings.WHITENOISE_AUTOREFRESH = True
    settings.ALLOWED_HOSTS = ["127.0.0.1"]


def join(member: Shopper) -> Contract:
    member.browser.force_login(get_user_model().objects.create_user("giulia"))
    answer: Any = member.browser.post("/cards/join/")
    order = PaymentOrder.objects.get()
    assert answer["Location"] == order.page_url()
    form = member.start(order, agree="on")
    member.return_from_issuer(form, member.answer_challenge(form))
    return Contract.objects.get()


def test_who_joins_finds_the_card_and_is_charged_monthly(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = join(shopper)
    page = shopper.browser.get("/cards/").content.decode()
    assert "VISA •••• 4549" in page
    assert contract.amount == 1490
    with time_machine.travel(timezone.now() + timedelta(days=30, hours=1)):
        assert flows.charge_due().charged == 1
    assert gateway.counts["POST /orders/mit"] == 1


def test_who_leaves_is_not_charged(shopper: Shopper, gateway: Simulator) -> None:
    contract = join(shopper)
    stranger = Client(HTTP_HOST="127.0.0.1:8000")
    stranger.force_login(get_user_model().objects.create_user("other"))
    assert stranger.post(f"/cards/{contract.contract_id}/end/").status_code == 404
    assert "4549" not in stranger.get("/cards/").content.decode()
    shopper.browser.post(f"/cards/{contract.contract_id}/end/")
    contract.refresh_from_db()
    assert contract.state == "ended"
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        assert flows.charge_due() == flows.RecurringCounts()


def test_guests_log_in_first() -> None:
    answer: Any = Client(HTTP_HOST="127.0.0.1:8000").get("/cards/")
    assert answer["Location"].startswith("/login/")
