"""Keys from a function of the host, as from a key management service: the drill of
docs/operations.md, and what happens when the service is away."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import run_checks

from nexi_payments import conf, sealed_cards
from nexi_payments.conf import card_keys
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


class Kms:
    """A key management service, and the minutes that pass."""

    def __init__(self) -> None:
        self.keys: list[Any] = [self.make()]
        self.calls = 0
        self.away = False
        self.now = 1000.0

    @staticmethod
    def make() -> str:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()

    def fetch(self) -> list[Any]:
        self.calls += 1
        if self.away:
            raise ConnectionError("token s3cr3t was refused")
        return self.keys

    def wait(self, seconds: float = card_keys.REFRESH_SECONDS) -> None:
        self.now += seconds


_kms = Kms()


def keys_of_the_shop() -> list[Any]:
    return _kms.fetch()


def needs_an_argument(region: str) -> list[Any]:
    return []


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch, change_settings: Any) -> Iterator[Kms]:
    global _kms
    _kms = Kms()
    monkeypatch.setattr(card_keys, "monotonic", lambda: _kms.now)
    change_settings(SEALED_CARD_KEYS=f"{__name__}.keys_of_the_shop")
    yield _kms
    card_keys._cache.clear()


def come_back(shopper: Shopper, order: PaymentOrder, form: Any) -> str:
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    return str(order.state)


def test_the_rotation_drill(kms: Kms, shopper: Shopper) -> None:
    """docs/operations.md, "Rotate the keys of sealed cards"."""
    (old,) = kms.keys
    before = new_order(reference="R-1")
    form = shopper.start(before)
    stolen = SealedCard.objects.get()  # in a backup, with the token from a log
    token = form.path.rstrip("/").rpartition("/")[2]
    ciphertext = sealed_cards.CardCiphertext(
        bytes(stolen.pan_blob), bytes(stolen.cvv_blob or b""), stolen.expires_at
    )
    assert sealed_cards.unseal(before, ciphertext, token) is not None

    # 1. a new key first; after a minute every process seals with it
    new = kms.make()
    kms.keys = [new, old]
    kms.wait()
    between = new_order(reference="R-2")
    between_form = shopper.start(between)
    key_ids = {bytes(row.pan_blob)[1:9] for row in SealedCard.objects.all()}
    assert len(key_ids) == 2

    # payments that began before the rotation end
    assert come_back(shopper, before, form) == OrderState.PAID

    # 2. the old key is destroyed after SEALED_CARD_TTL
    kms.keys = [new]
    kms.wait()
    assert come_back(shopper, between, between_form) == OrderState.PAID
    assert sealed_cards.unseal(before, ciphertext, token) is None
    assert shopper.pay(new_order(reference="R-3")).state == OrderState.PAID


def test_it_is_asked_once_a_minute(kms: Kms, shopper: Shopper) -> None:
    shopper.pay(new_order(reference="R-1"))
    shopper.pay(new_order(reference="R-2"))
    assert kms.calls == 1
    kms.wait()
    shopper.pay(new_order(reference="R-3"))
    assert kms.calls == 2


def test_a_short_outage_stops_nothing(
    kms: Kms, shopper: Shopper, caplog: pytest.LogCaptureFixture
) -> None:
    order = new_order()
    form = shopper.start(order)
    kms.away = True
    kms.wait()
    assert come_back(shopper, order, form) == OrderState.PAID
    path = f"{__name__}.keys_of_the_shop"
    said = [one.getMessage() for one in caplog.records if one.levelname == "CRITICAL"]
    assert said == [f"{path} gives no key: ConnectionError"]
    assert "s3cr3t" not in caplog.text


def test_a_long_outage_ends_before_anything_is_sent(
    kms: Kms, shopper: Shopper, change_settings: Any
) -> None:
    assert conf.sealed_card_keys() != ()
    kms.away = True
    kms.wait(901)
    order = new_order()
    answer = shopper.submit_card(order)
    assert answer.status_code == 503
    order.refresh_from_db()
    assert (order.state, order.operations.count()) == (OrderState.INIT, 0)
    kms.away = False
    kms.wait()
    assert shopper.pay(order).state == OrderState.PAID


@pytest.mark.parametrize("keys", [["too short"], [b"x" * 31], [7], 7, []])
def test_keys_that_are_none(kms: Kms, shopper: Shopper, keys: Any) -> None:
    kms.keys = keys
    order = new_order()
    assert shopper.submit_card(order).status_code == 503
    assert order.operations.count() == 0


def test_bytes_are_taken(kms: Kms, shopper: Shopper) -> None:
    kms.keys = [secrets.token_bytes(32)]
    assert conf.sealed_card_keys() == tuple(kms.keys)
    assert shopper.pay(new_order()).state == OrderState.PAID


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("keys_of_the_shop", ""),
        ("nowhere", "cannot be imported"),
        ("needs_an_argument", "missing a required argument"),
    ],
)
def test_the_check(change_settings: Any, name: str, problem: str) -> None:
    change_settings(SEALED_CARD_KEYS=f"{__name__}.{name}")
    found = [one.msg for one in run_checks(tags=["security"]) if one.id[-4:] == "E024"]
    assert [problem in text for text in found] == ([True] if problem else [])
    assert not [one for one in run_checks(tags=["security"]) if one.id[-4:] == "E005"]
