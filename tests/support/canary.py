"""A known card, and the places to search for it: what is stored, logged, sent, shown,
printed, and what an error tracker would be given."""

from __future__ import annotations

import http.client
import io
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import django
import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.core.signals import got_request_exception
from django.db import connection, connections
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter

from nexi_payments.simulator import TEST_CARDS, TestCard
from nexi_payments.testing.forms import card_fields

#: A code that stands nowhere else by chance: no row is numbered 0739.
CVV = "0739"
#: Its code of four digits goes all the way to the gateway.
AMEX = TestCard("378282246310005", "AMEX", "12/30", CVV, "challenge", "", "")


EVERY_CARD = pytest.mark.parametrize(
    "card", [*TEST_CARDS, AMEX], ids=lambda card: f"{card.ending}-{card.brand}"
)


def fields_of(card: TestCard) -> dict[str, str]:
    """The fields of a card form, filled in with this card."""
    return card_fields(
        card_number=card.number, expiry=card.expiry, security_code=card.cvv
    )


def wrong_code(card: TestCard) -> str:
    """A security code that is too short or too long for this card."""
    return "739" if card.brand == "AMEX" else CVV


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


class Defect(Exception):
    pass


def frames_of(error: BaseException, *, deep: bool = True) -> str:
    """What an error tracker sees: every frame's variables, two levels deep, or as
    their ``repr`` shows them."""
    seen = []
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "/tests/" in frame.f_code.co_filename:
                continue
            if "/site-packages/django/test/" in frame.f_code.co_filename:
                continue  # the client that typed the card in
            for value in frame.f_locals.values():
                seen.append(_safe(value))
                if deep:
                    seen.append(_safe(getattr(value, "__dict__", "")))
        error = error.__context__ or error.__cause__  # type: ignore[assignment]
    return "\n".join(seen)


def _safe(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return ""


def break_at(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Makes the function at this dotted path raise ``Defect``."""
    monkeypatch.setattr(place, _broken)


def _broken(*args: Any, **kwargs: Any) -> Any:
    raise Defect


class Failures:
    """The errors of requests that failed, each with its request."""

    def __init__(self) -> None:
        self.seen: list[tuple[BaseException, Any]] = []

    def note(self, sender: Any, request: Any, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        assert error is not None
        self.seen.append((error, request))


@pytest.fixture
def failures() -> Iterator[Failures]:
    found = Failures()
    got_request_exception.connect(found.note)
    yield found
    got_request_exception.disconnect(found.note)


def assert_card_nowhere(
    card: TestCard, pages: Iterable[Any], ears: io.StringIO, capsys: Any
) -> None:
    """Neither number nor code was shown, stored, logged or printed."""
    for page in pages:
        assert found_in(page.content.decode(), card) == []
        assert found_in(str(page.headers), card) == []
        assert found_in(str(page.cookies), card) == []
    assert found_in(everything_stored(), card) == []
    assert found_in(ears.getvalue(), card) == []
    printed = capsys.readouterr()
    assert found_in(printed.out + printed.err, card) == []


def assert_number_nowhere(
    card: TestCard, pages: Iterable[Any], ears: io.StringIO, failures: Failures
) -> None:
    """The number was not shown, stored or logged, and no failure holds it."""
    for page in pages:
        assert number_in(page.content.decode(), card) == []
    for error, request in failures.seen:
        assert number_in(frames_of(error), card) == []
        html = ExceptionReporter(
            request, type(error), error, error.__traceback__, is_email=True
        ).get_traceback_html()
        assert number_in(html, card) == []
    assert number_in(ears.getvalue(), card) == []
    assert number_in(everything_stored(), card) == []


class Reports:
    """All that is told of the requests meanwhile."""

    def __init__(self, ears: io.StringIO) -> None:
        self.ears = ears
        self.frames: list[str] = []
        self.pages: list[str] = []

    def note(self, sender: Any, request: Any, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        assert error is not None
        stream = request.META.get("wsgi.input")
        self.frames += [
            frames_of(error),
            repr(vars(request)),
            repr(dict(request.POST.lists())),
            request.body.decode("latin-1"),
            stream.read().decode("latin-1") if stream is not None else "",
        ]

    def found(self) -> list[str]:
        told = [
            *self.frames,
            *self.pages,
            self.ears.getvalue(),
            *sent_emails(),
        ]
        return [word for text in told for word in found_in(text, AMEX)]


@pytest.fixture
def reports(ears: io.StringIO, settings: Any) -> Iterator[Reports]:
    ada = "ada@shop.example"
    settings.ADMINS = [ada if django.VERSION >= (6, 0) else ("Ada", ada)]
    mails = AdminEmailHandler(include_html=True)
    mails.setLevel(logging.WARNING)
    logger = logging.getLogger("django")
    it = Reports(ears)
    with ExitStack() as end:
        logger.addHandler(mails)
        end.callback(logger.removeHandler, mails)
        got_request_exception.connect(it.note)
        end.callback(got_request_exception.disconnect, it.note)
        yield it


def told(reports: Reports, answer: Any, status: int = 500) -> None:
    assert answer.status_code == status
    reports.pages.append(answer.content.decode())
    assert any(one.alternatives for one in mail.outbox), "nobody was told"
    assert reports.found() == []
