"""Watches everything a test does and looks for the numbers of the cards it used.

Looked through are the rows of every table, the files of an SQLite database with its
write-ahead log, every log record down to DEBUG (SQL included), mails, sessions, the
caches, what was answered over HTTP, and what the Sentry SDK would send.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from unittest import mock

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import caches
from django.core.handlers.base import BaseHandler
from django.db import connections

from nexi_payments import conf, hold
from nexi_payments.card import Card
from nexi_payments.models import Hold

_SEPARATORS: Final = re.compile(r"(?<=\d)[ .\-\u00a0]{1,2}(?=\d)")


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        extras = [value for value in vars(record).values() if isinstance(value, str)]
        self.heard.append(" ".join((self.format(record), *extras)))


class Leaks:
    """``with Leaks() as leaks: …; assert leaks.found() == []``

    Knows every card that was made meanwhile; ``also`` names other texts that must
    appear nowhere, a security code that is no usual number for instance.
    """

    def __init__(self, *also: str) -> None:
        self.secrets: set[str] = set(also)
        self._ear = _Ear()
        self._answers: list[str] = []
        self._envelopes: list[str] = []
        self._end = ExitStack()

    def __enter__(self) -> Leaks:
        patches = (
            mock.patch.object(Card, "__init__", self._remembering(Card.__init__)),
            mock.patch.object(
                BaseHandler, "get_response", self._reading(BaseHandler.get_response)
            ),
        )
        for patch in patches:
            self._end.enter_context(patch)
        self._listen()
        self._read_sentry()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.close()

    # -- watching ----------------------------------------------------------------------

    def _remembering(self, real: Any) -> Any:
        def init(card: Card, pan: str, *args: Any, **kwargs: Any) -> None:
            real(card, pan, *args, **kwargs)
            self.secrets.add(pan)

        return init

    def _reading(self, real: Any) -> Any:
        def get_response(handler: Any, request: Any) -> Any:
            response = real(handler, request)
            body = (
                ""
                if response.streaming
                else response.content.decode("utf-8", "replace")
            )
            headers = "\n".join(f"{name}: {value}" for name, value in response.items())
            self._answers.append(f"{headers}\n{body}")
            return response

        return get_response

    def _listen(self) -> None:
        """Every logger at DEBUG, also those that do not tell their parents."""
        names = [None, *logging.root.manager.loggerDict]
        for logger in map(logging.getLogger, names):
            self._end.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.DEBUG)
            if logger is logging.root or not logger.propagate:
                logger.addHandler(self._ear)
                self._end.callback(logger.removeHandler, self._ear)
        for connection in connections.all():
            self._end.callback(
                setattr, connection, "force_debug_cursor", connection.force_debug_cursor
            )
            connection.force_debug_cursor = True

    def _read_sentry(self) -> None:
        try:
            import sentry_sdk
        except ImportError:
            return
        transport: Any = sentry_sdk.get_client().transport
        if transport is None:
            return
        real = transport.capture_envelope

        def capture(envelope: Any) -> None:
            self._envelopes.append(envelope.serialize().decode("utf-8", "replace"))
            real(envelope)

        self._end.enter_context(
            mock.patch.object(transport, "capture_envelope", capture)
        )

    # -- judging -----------------------------------------------------------------------

    def found(self) -> list[str]:
        """Where a secret shows, as "logs: …4549"; [] is what you want."""
        places = dict.fromkeys(
            f"{where}: …{secret[-4:]}"
            for where, text in self._texts()
            for plain in (text, _SEPARATORS.sub("", text))
            for secret in self.secrets
            if _stands_in(secret, plain)
        )
        return [*places, *(f"hold: …{pan[-4:]}" for pan in self.recovered())]

    def recovered(self) -> list[str]:
        """The card numbers that the database and every key of the server give away."""
        opened = []
        for row in Hold.objects.select_related("order"):
            code = bytes(row.cvv_blob) if row.cvv_blob is not None else None
            sealed = hold.Sealed(bytes(row.pan_blob), code, row.expires_at)
            texts = {
                value for value in vars(row.order).values() if isinstance(value, str)
            }
            keys = {key.hex() for key in conf.current().hold_keys}
            for guess in (*texts, *keys, str(settings.SECRET_KEY)):
                card = hold.unseal(row.order, sealed, guess)
                if card is not None:
                    opened.append(card.reveal()[0])
        return opened

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield from self._tables()
        yield from _files()
        yield "logs", "\n".join(self._ear.heard)
        yield "answers", "\n".join(self._answers)
        yield "sentry", "\n".join(self._envelopes)
        for message in getattr(mail, "outbox", []):
            yield "mails", str(message.message())
        for session in _sessions():
            yield "sessions", str(session.get_decoded())
        for name in settings.CACHES:
            yield f"cache {name}", str(getattr(caches[name], "_cache", ""))

    def _tables(self) -> Iterator[tuple[str, str]]:
        for connection in connections.all():
            quote = connection.ops.quote_name
            for table in connection.introspection.table_names():
                with connection.cursor() as cursor:
                    cursor.execute(f"SELECT * FROM {quote(table)}")  # noqa: S608
                    for value in (value for row in cursor.fetchall() for value in row):
                        blob = isinstance(value, bytes | memoryview)
                        text = bytes(value).decode("latin-1") if blob else str(value)
                        yield f"table {table}", text


def _stands_in(secret: str, text: str) -> bool:
    """A security code inside a longer number is chance: of the microseconds of some
    thousand log lines, one has it."""
    if len(secret) > 4 or not secret.isdigit():
        return secret in text
    return re.search(rf"(?<!\d){secret}(?!\d)", text) is not None


def _sessions() -> list[Session]:
    installed = "django.contrib.sessions" in settings.INSTALLED_APPS
    return list(Session.objects.all()) if installed else []


def _files() -> Iterator[tuple[str, str]]:
    """What SQLite has written, in whatever page it stands."""
    for connection, end in product(connections.all(), ("", "-wal", "-journal")):
        if connection.vendor == "sqlite":
            path = Path(str(connection.settings_dict["NAME"]) + end)
            if path.is_file():
                yield f"file {path.name}", path.read_bytes().decode("latin-1")
