"""A known card goes through every flow, and is searched for where it must not be."""

from __future__ import annotations

import http.client
import io
import json
import logging
import pickle
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.core.signals import got_request_exception
from django.db import connection, connections
from django.test import Client
from django.views.debug import ExceptionReporter

from nexi_payments import flows, sealed_cards
from nexi_payments.card_extraction.submission import CardNotRead
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS, Reply, Simulator, TestCard
from tests.support.shopper import Shopper, new_order, parse_form

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

#: A code that stands nowhere else by chance: no row is numbered 0739.
CVV = "0739"
#: Its code of four digits goes all the way to the gateway.
AMEX = TestCard("378282246310005", "AMEX", "12/30", CVV, "challenge", "", "")


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Every logger at DEBUG, and http.client printing what it sends."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(exc_text)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    changed = []
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        if logger.level:  # the others do as the root does
            changed.append((logger, logger.level))
            logger.setLevel(logging.DEBUG)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    connections["default"].force_debug_cursor = True
    yield heard
    connections["default"].force_debug_cursor = False
    root.removeHandler(handler)
    root.setLevel(level)
    for logger, was in changed:
        logger.setLevel(was)


def everything_stored() -> str:
    parts = []
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                for value in row:
                    if isinstance(value, bytes | memoryview):
                        value = bytes(value).decode("latin-1")
                    parts.append(str(value))
    parts.extend(str(session.get_decoded()) for session in Session.objects.all())
    parts.append(str(getattr(cache, "_cache", {})))
    parts.extend(sent_emails())
    return "\n".join(parts)


def sent_emails() -> list[str]:
    """Recipients, headers, subject, texts and attachments, before any encoding."""
    return [repr(vars(message)) for message in mail.outbox]


def number_in(text: str, card: TestCard) -> list[str]:
    pan = card.number
    grouped = " ".join(pan[i : i + 4] for i in range(0, len(pan), 4))
    return [word for word in (pan, grouped) if word in text]


def found_in(text: str, card: TestCard) -> list[str]:
    """The number, or the code of four digits that was typed with it."""
    # four digits turn up by chance inside longer runs: alone they are a code; most
    # texts do not have them at all, which ``in`` finds out in no time
    alone = CVV in text and re.search(rf"(?<![\w+/.\-]){CVV}(?![\w+/.\-])", text)
    return number_in(text, card) + [CVV] * bool(alone)


@pytest.mark.parametrize("terminal", ["default", "two", "manual"])
@pytest.mark.parametrize(
    "card", [*TEST_CARDS, AMEX], ids=lambda card: f"{card.ending}-{card.brand}"
)
def test_every_road(
    shopper: Shopper,
    gateway: Simulator,
    ears: io.StringIO,
    capsys: Any,
    terminal: str,
    card: Any,
) -> None:
    order = new_order(terminal=terminal, reference="canary")
    fits = card.brand == "AMEX"
    wrong = {"card_number": card.number, "security_code": "739" if fits else CVV}
    pages = [shopper.submit_card(order, card.ending, **wrong)]
    assert b"Please check the fields below" in pages[0].content
    assert found_in(everything_stored(), card) == []
    response = shopper.submit_card(
        order, card.ending, card_number=card.number, security_code=card.cvv
    )
    pages.append(response)
    fields = response.content.decode()
    if "ReturnUrl" in fields:
        form = parse_form(response)
        stored = everything_stored()  # the card is held, sealed, at this moment
        assert found_in(stored, card) == []
        answer = shopper.answer_challenge(form)
        pages.append(shopper.return_from_issuer(form, answer))
        token = form.path.split("/")[-2]
        assert token not in everything_stored()
    pages.append(shopper.browser.get(f"/payments/result/{order.public_id}/"))
    pages.append(shopper.browser.get(f"/payments/status/{order.public_id}/"))
    for page in pages:
        assert found_in(page.content.decode(), card) == []
        assert found_in(str(page.headers), card) == []
        assert found_in(str(page.cookies), card) == []
    assert found_in(everything_stored(), card) == []
    assert found_in(ears.getvalue(), card) == []
    printed = capsys.readouterr()
    assert found_in(printed.out + printed.err, card) == []
    assert "INSERT INTO" in ears.getvalue()  # the ears were open


class Defect(Exception):
    pass


def frames_of(error: BaseException) -> str:
    """What an error tracker sees: every frame's variables, two levels deep."""
    seen = []
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "/tests/" in frame.f_code.co_filename:
                continue
            if "/site-packages/django/test/" in frame.f_code.co_filename:
                continue  # the client that typed the card in
            for value in frame.f_locals.values():
                seen.append(_safe(value))
                seen.append(_safe(getattr(value, "__dict__", "")))
        error = error.__context__ or error.__cause__  # type: ignore[assignment]
    return "\n".join(seen)


def _safe(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return ""


PLACES = [
    ("nexi_payments.gateway.transport", "parse_json"),
    ("nexi_payments.gateway.responses", "parse_init"),
    ("nexi_payments.flows.ledger.outcomes", "of_init"),
    ("nexi_payments.flows.ledger.transitions", "write_event"),
    ("nexi_payments.sealed_cards", "seal"),
    ("nexi_payments.sealed_cards.sealing", "_encrypt_card"),
    ("nexi_payments.sealed_cards.sealing", "_encrypt"),
    ("nexi_payments.sealed_cards.sealing", "_cipher"),
    ("nexi_payments.sealed_cards.sealing", "_key_id"),
    ("nexi_payments.sealed_cards.sealing", "_associated_data"),
    ("nexi_payments.sealed_cards.sealing", "_token_bytes"),
    ("nexi_payments.sealed_cards", "server_key"),
    ("nexi_payments.sealed_cards.sealing", "AESGCM"),
    ("nexi_payments.sealed_cards.sealing", "HKDF"),
    ("nexi_payments.card.Card", "reveal"),
    ("nexi_payments.sealed_cards.storage", "SealedCard"),
    ("nexi_payments.flows.ledger.operations", "_claim"),
    ("nexi_payments.flows.ledger.operations", "_write_settlement"),
    ("nexi_payments.flows.orders.create", "build_purchase"),
]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(("module", "name"), PLACES)
def test_a_defect_anywhere_shows_no_card(
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    ears: io.StringIO,
    module: str,
    name: str,
    debug: bool,
) -> None:
    settings.DEBUG = debug

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise Defect

    monkeypatch.setattr(f"{module}.{name}", broken)
    shopper = Shopper(gateway, raise_request_exception=False)
    errors: list[Any] = []

    def noting(sender: Any, request: Any, **kwargs: Any) -> None:
        errors.append((sys.exc_info()[1], request))

    got_request_exception.connect(noting)
    card = TEST_CARDS[0]
    response = shopper.submit_card(new_order())
    assert response.status_code in (303, 500)
    assert number_in(response.content.decode(), card) == []
    assert number_in(ears.getvalue(), card) == []
    for error, request in errors:
        assert number_in(frames_of(error), card) == []
        html = ExceptionReporter(
            request, type(error), error, error.__traceback__, is_email=True
        ).get_traceback_html()
        assert number_in(html, card) == []
    assert number_in(everything_stored(), card) == []


OPENING = [
    ("nexi_payments.flows.ledger.outcomes.of_charge", Defect, "paying"),
    ("nexi_payments.sealed_cards.sealing._decrypt", CardNotRead, "failed"),
    ("nexi_payments.sealed_cards.sealing._cipher", CardNotRead, "failed"),
    ("nexi_payments.sealed_cards.sealing._key_id", CardNotRead, "failed"),
    ("nexi_payments.sealed_cards.sealing._associated_data", CardNotRead, "failed"),
    ("nexi_payments.sealed_cards.sealing._token_bytes", CardNotRead, "failed"),
    ("nexi_payments.sealed_cards.sealing.Card", CardNotRead, "failed"),
]


@pytest.mark.parametrize(("place", "kind", "state"), OPENING)
def test_a_defect_while_the_card_is_opened(
    shopper: Shopper,
    monkeypatch: pytest.MonkeyPatch,
    ears: io.StringIO,
    caplog: Any,
    place: str,
    kind: type[Exception],
    state: str,
) -> None:
    form = shopper.start(new_order())

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise Defect

    monkeypatch.setattr(place, broken)
    assert (
        shopper.return_from_issuer(form, shopper.answer_challenge(form)).status_code
        == 303
    )
    errors = [r.exc_info[1] for r in caplog.records if r.exc_info]
    assert any(isinstance(error, kind) for error in errors)
    for error in errors:
        assert number_in(frames_of(error), TEST_CARDS[0]) == []
    assert number_in(ears.getvalue(), TEST_CARDS[0]) == []
    assert PaymentOrder.objects.get().state == state


def test_gateway_errors_hold_nothing(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[BaseException] = []
    from nexi_payments.flows.ledger import terminal_outages

    monkeypatch.setattr(
        terminal_outages,
        "log_failure",
        lambda order, error: caught.append(sys.exc_info()[1]),
    )
    for reply in (Reply(500), Reply(400, b"{}"), Reply(200, b"x"), Reply(200, b"{}")):
        gateway.next_reply("/init", reply)
        shopper.submit_card(new_order())
    gateway.lose_next_answer("/init")
    shopper.submit_card(new_order())
    assert len(caught) == 5
    for error in caught:
        assert error.__context__ is None
        assert error.__cause__ is None
        assert number_in(frames_of(error), TEST_CARDS[0]) == []
        assert number_in(repr(vars(error)) + str(error), TEST_CARDS[0]) == []
        pickled = pickle.dumps(error).decode("latin-1")
        assert number_in(pickled, TEST_CARDS[0]) == []


def test_the_request_is_scrubbed_for_trackers(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def spying(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe()
        while frame.f_back is not None:
            frame = frame.f_back
            request = frame.f_locals.get("request")
            if request is not None and hasattr(request, "POST"):
                seen.append((dict(request.POST), request.body))
        raise flows.three_ds.OrderNotPayable(args[0])

    monkeypatch.setattr(flows, "start_payment", spying)
    shopper.submit_card(new_order())
    assert seen
    for posted, body in seen:
        assert number_in(body.decode(), TEST_CARDS[0]) == []
        assert number_in(json.dumps(posted), TEST_CARDS[0]) == []
        assert posted["card_number"] == [""]
        assert posted["cardholder_name"] == ["Giulia Bianchi"]


def test_the_scanner_itself_sees_a_card(order: PaymentOrder) -> None:
    """The scanner must find a card that is there."""
    order.description = TEST_CARDS[0].number
    order.save(update_fields=["description"])
    assert number_in(everything_stored(), TEST_CARDS[0]) == [TEST_CARDS[0].number]
    assert sealed_cards.hash_token("x") not in everything_stored()


def test_other_pages_forget_what_is_posted_to_them(
    shopper: Shopper, order: PaymentOrder, ears: io.StringIO
) -> None:
    card = TEST_CARDS[0]
    fields = {"card_number": card.number, "security_code": CVV}
    stranger = Client(HTTP_HOST="127.0.0.1:8000")
    for url in ("/payments/pay/0/", f"/payments/return/{order.public_id}/x/"):
        response = stranger.post(url, fields)
        assert number_in(response.content.decode(), card) == []
    assert number_in(ears.getvalue(), card) == []
