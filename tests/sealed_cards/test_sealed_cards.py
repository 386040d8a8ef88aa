"""Sealed cards: what decrypts them, what does not, and that they are used once."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, transaction
from django.utils import timezone

from nexi_payments import conf, sealed_cards
from nexi_payments.card import Card
from nexi_payments.enums import OrderState
from nexi_payments.flows import three_ds_return
from nexi_payments.models import PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Simulator
from tests.support.in_doubt import time_travel
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = CARDS["challenge"].number


@pytest.fixture
def card() -> Card:
    return Card(NUMBER, "1230", "396")


def sealed(order: PaymentOrder, card: Card) -> tuple[sealed_cards.CardCiphertext, str]:
    token = sealed_cards.new_token()
    sealed_cards.seal(order, card, token)
    with transaction.atomic():
        found = sealed_cards.pop(order)
    assert found is not None
    return found, token


def key(byte: bytes) -> str:
    return base64.urlsafe_b64encode(byte * 32).decode()


def test_what_is_sealed_opens_with_the_token(order: PaymentOrder, card: Card) -> None:
    found, token = sealed(order, card)
    opened = sealed_cards.unseal(order, found, token)
    assert opened is not None
    assert opened.reveal() == (NUMBER, "1230", "396")
    assert len(found.pan_blob) == 133
    assert len(token) == 43


def test_blobs_differ_each_time_and_hide_the_length(
    order: PaymentOrder, card: Card
) -> None:
    one, _ = sealed(order, card)
    two, _ = sealed(order, Card("378282246310005", "1230", "1234"))
    assert one.pan_blob != two.pan_blob
    assert len(one.pan_blob) == len(two.pan_blob) == len(one.cvv_blob or b"")


def test_it_is_taken_once(order: PaymentOrder, card: Card) -> None:
    sealed(order, card)
    assert sealed_cards.pop(order) is None
    assert not SealedCard.objects.exists()


def test_nothing_else_opens_it(
    order: PaymentOrder, card: Card, change_settings: Any
) -> None:
    found, token = sealed(order, card)
    other = new_order(amount="13.00")
    flipped = bytearray(found.pan_blob)
    flipped[-1] ^= 1
    late = found.expires_at + timedelta(seconds=1)
    assert found.cvv_blob is not None
    for wrong in (
        (order, found, sealed_cards.new_token()),
        (order, found, "not base64 ✗"),
        (order, found, ""),
        (other, found, token),
        (
            order,
            sealed_cards.CardCiphertext(
                bytes(flipped), found.cvv_blob, found.expires_at
            ),
            token,
        ),
        (
            order,
            sealed_cards.CardCiphertext(found.cvv_blob, None, found.expires_at),
            token,
        ),
        (
            order,
            sealed_cards.CardCiphertext(
                found.pan_blob, found.pan_blob, found.expires_at
            ),
            token,
        ),
        (
            order,
            sealed_cards.CardCiphertext(found.pan_blob, found.cvv_blob, late),
            token,
        ),
        (
            order,
            sealed_cards.CardCiphertext(b"\x01" + found.pan_blob[1:], None, late),
            token,
        ),
        (  # the security code was removed
            order,
            sealed_cards.CardCiphertext(found.pan_blob, None, found.expires_at),
            token,
        ),
        (order, sealed_cards.CardCiphertext(b"", None, found.expires_at), token),
    ):
        assert sealed_cards.unseal(*wrong) is None
    for change in ({"amount": 1300}, {"currency": "USD"}, {"flow": "2steps"}):
        changed = PaymentOrder.objects.get(pk=order.pk)
        for name, value in change.items():
            setattr(changed, name, value)
        assert sealed_cards.unseal(changed, found, token) is None
    change_settings(SEALED_CARD_KEYS=[key(b"b")])
    assert sealed_cards.unseal(order, found, token) is None


def test_the_database_with_every_secret_does_not_open_it(
    order: PaymentOrder, card: Card
) -> None:
    token = sealed_cards.new_token()
    sealed_cards.seal(order, card, token)
    row = SealedCard.objects.get()
    stored = sealed_cards.CardCiphertext(bytes(row.pan_blob), None, row.expires_at)
    order.token_hash = sealed_cards.hash_token(token)
    guesses = (order.token_hash, order.public_id, order.order_id)
    assert [sealed_cards.unseal(order, stored, guess) for guess in guesses] == [
        None
    ] * 3


def test_a_new_key_first_and_the_old_one_still_opens(
    order: PaymentOrder, card: Card, change_settings: Any
) -> None:
    change_settings(SEALED_CARD_KEYS=[key(b"a")])
    found, token = sealed(order, card)
    change_settings(SEALED_CARD_KEYS=[key(b"b"), key(b"a")])
    assert sealed_cards.unseal(order, found, token) is not None
    change_settings(SEALED_CARD_KEYS=[key(b"b")])
    assert sealed_cards.unseal(order, found, token) is None


def test_the_security_code_can_be_left_out(
    order: PaymentOrder, card: Card, change_settings: Any
) -> None:
    change_settings(SEALED_CARD_CVV=False)
    found, token = sealed(order, card)
    assert found.cvv_blob is None
    forged = sealed_cards.CardCiphertext(
        found.pan_blob, found.pan_blob, found.expires_at
    )
    assert sealed_cards.unseal(order, forged, token) is None
    opened = sealed_cards.unseal(order, found, token)
    assert opened is not None
    assert opened.reveal() == (NUMBER, "1230", "")


def test_a_payment_without_the_security_code(
    shopper: Shopper, change_settings: Any
) -> None:
    change_settings(SEALED_CARD_CVV=False)
    assert shopper.pay(new_order()).state == OrderState.PAID


def test_an_old_one_is_not_handed_out(order: PaymentOrder, card: Card) -> None:
    sealed_cards.seal(order, card, "t")
    SealedCard.objects.update(expires_at=timezone.now())
    assert sealed_cards.pop(order) is None
    assert not SealedCard.objects.exists()


def test_purge(order: PaymentOrder, card: Card, capsys: Any) -> None:
    sealed_cards.seal(order, card, "t")
    sealed_cards.seal(new_order(), card, "u")
    call_command("nexi_purge")
    assert SealedCard.objects.count() == 2
    SealedCard.objects.filter(order=order).update(expires_at=timezone.now())
    call_command("nexi_purge")
    assert capsys.readouterr().out == (
        "purged=0 erased=0 communication_logs=0 idempotency_records=0\n"
        "purged=1 erased=0 communication_logs=0 idempotency_records=0\n"
    )
    assert SealedCard.objects.count() == 1


def test_no_hold_but_for_orders_that_wait(shopper: Shopper) -> None:
    waiting = new_order()
    shopper.start(waiting)
    shopper.pay(new_order(), "frictionless")
    shopper.pay(new_order(), "declined")
    shopper.pay(new_order(), answer="walk_away")
    assert [row.order for row in SealedCard.objects.all()] == [waiting]
    row = SealedCard.objects.get()
    assert row.expires_at <= timezone.now() + timedelta(seconds=900)
    assert str(row).startswith("sealed card until")


def test_a_key_removed_meanwhile_fails_the_return(
    shopper: Shopper, change_settings: Any
) -> None:
    order = new_order()
    form = shopper.start(order)
    change_settings(SEALED_CARD_KEYS=[key(b"z")])
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, "card_expired")


def test_without_keys_no_payment_begins(
    shopper: Shopper, order: PaymentOrder, change_settings: Any, settings: Any
) -> None:
    real = {**settings.NEXI_PAYMENTS["TERMINALS"], "real": {"API_KEY": "k"}}
    change_settings(SEALED_CARD_KEYS=[], TERMINALS=real)
    with pytest.raises(ImproperlyConfigured, match="SEALED_CARD_KEYS"):
        shopper.submit_card(order)
    order.refresh_from_db()
    assert order.state == OrderState.INIT
    settings.DEBUG = True
    assert conf.current().sealed_card_keys_derived
    assert len(conf.current().sealed_card_keys[0]) == 32


# -- in a cache instead of the table ---------------------------------------------------

MEMORY = "django.core.cache.backends.locmem.LocMemCache"


@pytest.fixture
def cache(settings: Any, change_settings: Any) -> Any:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        "holds": {"BACKEND": MEMORY, "LOCATION": "holds"},
    }
    change_settings(SEALED_CARD_BACKEND="holds")
    yield caches["holds"]
    caches["holds"].clear()


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_payment_with_the_card_in_a_cache(
    shopper: Shopper, cache: Any, terminal: str
) -> None:
    order = new_order(terminal=terminal)
    form = shopper.start(order)
    assert not SealedCard.objects.exists()
    waiting = str(cache.get(f"nexi_payments:sealed_card:{order.order_id}"))
    assert len(waiting) > 300
    assert NUMBER not in waiting
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert cache.get(f"nexi_payments:sealed_card:{order.order_id}") is None


@pytest.mark.parametrize("backend", ["holds", "database"])
def test_a_claim_that_is_ended_by_a_deadlock_keeps_the_card(
    shopper: Shopper,
    cache: Any,
    change_settings: Any,
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
) -> None:
    change_settings(SEALED_CARD_BACKEND=backend)
    order = new_order()
    form = shopper.start(order)
    take, tries = three_ds_return._ReturnCall.on_claim, []

    def ended_once(self: Any) -> None:
        take(self)
        tries.append(1)
        if len(tries) == 1:
            error = OperationalError("deadlock")
            raise error from Exception(1213, "Deadlock found")

    monkeypatch.setattr(three_ds_return._ReturnCall, "on_claim", ended_once)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert (order.state, len(tries)) == (OrderState.PAID, 2)
    assert gateway.count("payment") == 1
    assert not SealedCard.objects.exists()
    assert cache.get(f"nexi_payments:sealed_card:{order.order_id}") is None


def test_a_cache_forgets_by_itself(
    shopper: Shopper, cache: Any, change_settings: Any, gateway: Simulator
) -> None:
    change_settings(SEALED_CARD_TTL=60)
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)
    with time_travel(61):
        shopper.return_from_issuer(form, fields)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, "card_expired")
    assert gateway.count("payment") == 0


def test_a_cache_that_keeps_nothing_is_told_before_the_challenge(
    shopper: Shopper, cache: Any, change_settings: Any, gateway: Simulator
) -> None:
    change_settings(SEALED_CARD_BACKEND="default")
    order = new_order()
    answer = shopper.submit_card(order)
    assert answer.status_code == 303
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, "card_not_stored")
    page = shopper.browser.get(answer["Location"]).content.decode()
    assert "Nothing has been charged." in page
    assert gateway.count("payment") == 0


@pytest.mark.parametrize("when", ["set", "get", "delete"])
def test_a_cache_that_is_away(
    shopper: Shopper,
    cache: Any,
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    when: str,
) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError(f"redis is away: {args}")

    order = new_order()
    if when == "set":
        monkeypatch.setattr(cache, "set", away)
        shopper.submit_card(order)
        expected = (OrderState.FAILED, "card_not_stored")
    else:
        form = shopper.start(order)
        fields = shopper.answer_challenge(form)
        monkeypatch.setattr(cache, when, away)
        shopper.return_from_issuer(form, fields)
        # after a failed delete the cache expires it; the claim is done
        gone = (OrderState.FAILED, "card_expired")
        expected = gone if when == "get" else (OrderState.PAID, "")
    order.refresh_from_db()
    assert (order.state, order.reason) == expected
    assert "the cache of sealed cards" in caplog.text
    assert "redis is away" not in caplog.text
    assert gateway.count("payment") == int(when == "delete")


def test_an_attempt_that_ends_leaves_nothing_in_the_cache(
    shopper: Shopper, cache: Any
) -> None:
    order = new_order(reference="R-1")
    shopper.start(order)
    assert cache.get(f"nexi_payments:sealed_card:{order.order_id}") is not None
    shopper.start(order)  # Back, and another card: the first attempt is superseded
    assert cache.get(f"nexi_payments:sealed_card:{order.order_id}") is None


def test_a_cache_without_a_name_here(change_settings: Any) -> None:
    change_settings(SEALED_CARD_BACKEND="hold")
    with pytest.raises(ImproperlyConfigured, match="SEALED_CARD_BACKEND"):
        conf.current()


@pytest.mark.parametrize("kind", ["locmem.LocMemCache", "filebased.FileBasedCache"])
def test_a_cache_of_one_process_or_on_a_disk_is_an_error(
    settings: Any, change_settings: Any, kind: str, tmp_path: Any
) -> None:
    backend = f"django.core.cache.backends.{kind}"
    settings.CACHES = {"holds": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    change_settings(SEALED_CARD_BACKEND="holds")
    found = [one.id for one in run_checks(tags=["security"])]
    assert found == ["nexi_payments.E011"]
    settings.CACHES = {
        "holds": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:6379",
        }
    }
    assert run_checks(tags=["security"]) == []
