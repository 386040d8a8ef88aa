"""Scans what a test stores, logs and sends for the numbers of the cards it used.

It scans the rows of all tables, the files of an SQLite database with its write-ahead
log, all log records down to DEBUG (SQL included), emails, sessions, caches, HTTP
responses, and what the Sentry SDK would send.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest import mock

from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.cache import caches
from django.core.handlers.base import BaseHandler
from django.db import connections

from nexi_payments import conf, sealed_cards
from nexi_payments.card import Card
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.pan_scanner import joined_digits


class _LogCapture(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        extras = [value for value in vars(record).values() if isinstance(value, str)]
        self.lines.append(" ".join((self.format(record), *extras)))


class CardDataScan:
    """``with CardDataScan() as scan: …; assert scan.findings() == []``

    It knows every ``Card`` that was created in the block. ``also`` are other texts that
    must not appear, for example an unusual security code.
    """

    def __init__(self, *also: str) -> None:
        self.secrets: set[str] = set(also)
        self._log_capture = _LogCapture()
        self._responses: list[str] = []
        self._envelopes: list[str] = []
        self._exit_stack = ExitStack()

    def __enter__(self) -> CardDataScan:
        patches = (
            mock.patch.object(Card, "__init__", self._record_pans(Card.__init__)),
            mock.patch.object(
                BaseHandler,
                "get_response",
                self._record_responses(BaseHandler.get_response),
            ),
        )
        for patch in patches:
            self._exit_stack.enter_context(patch)
        self._capture_logs()
        self._capture_sentry()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exit_stack.close()

    # -- recording ---------------------------------------------------------------------

    def _record_pans(self, real: Any) -> Any:
        def init(card: Card, pan: str, *args: Any, **kwargs: Any) -> None:
            real(card, pan, *args, **kwargs)
            self.secrets.add(pan)

        return init

    def _record_responses(self, real: Any) -> Any:
        def get_response(handler: Any, request: Any) -> Any:
            response = real(handler, request)
            body = (
                ""
                if response.streaming
                else response.content.decode("utf-8", "replace")
            )
            headers = "\n".join(f"{name}: {value}" for name, value in response.items())
            self._responses.append(f"{headers}\n{body}")
            return response

        return get_response

    def _capture_logs(self) -> None:
        """Capture every logger at DEBUG, also loggers that do not propagate."""
        names = [None, *logging.root.manager.loggerDict]
        for logger in map(logging.getLogger, names):
            self._exit_stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.DEBUG)
            if logger is logging.root or not logger.propagate:
                logger.addHandler(self._log_capture)
                self._exit_stack.callback(logger.removeHandler, self._log_capture)
        for connection in connections.all():
            self._exit_stack.callback(
                setattr, connection, "force_debug_cursor", connection.force_debug_cursor
            )
            connection.force_debug_cursor = True

    def _capture_sentry(self) -> None:
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

        self._exit_stack.enter_context(
            mock.patch.object(transport, "capture_envelope", capture)
        )

    # -- findings ----------------------------------------------------------------------

    def findings(self) -> list[str]:
        """Return where card data was found, as "logs: …4549"; [] if nowhere."""
        places: dict[str, None] = {}
        for where, text in self._texts():
            joined = joined_digits(text)
            for secret in self.secrets:
                if _contains_secret(secret, text, joined):
                    places[f"{where}: …{secret[-4:]}"] = None
        return [*places, *(f"sealed card: …{pan[-4:]}" for pan in self.decrypted())]

    def decrypted(self) -> list[str]:
        """Return card numbers that the database and the server's keys can decrypt."""
        opened = []
        for row in SealedCard.objects.select_related("order"):
            code = bytes(row.cvv_blob) if row.cvv_blob is not None else None
            sealed = sealed_cards.CardCiphertext(
                bytes(row.pan_blob), code, row.expires_at
            )
            texts = {
                value for value in vars(row.order).values() if isinstance(value, str)
            }
            keys = {key.hex() for key in conf.sealed_card_keys()}
            for guess in (*texts, *keys, str(settings.SECRET_KEY)):
                card = sealed_cards.unseal(row.order, sealed, guess)
                if card is not None:
                    opened.append(card.reveal()[0])
        return opened

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield from self._tables()
        yield from _sqlite_files()
        yield "logs", "\n".join(self._log_capture.lines)
        yield "responses", "\n".join(self._responses)
        yield "sentry", "\n".join(self._envelopes)
        for message in getattr(mail, "outbox", []):
            yield "emails", str(message.message())
        for session in _sessions():
            yield "sessions", _as_text(session.get_decoded())
        for name in settings.CACHES:
            yield f"cache {name}", _as_text(getattr(caches[name], "_cache", ""))

    def _tables(self) -> Iterator[tuple[str, str]]:
        for connection in connections.all():
            quote = connection.ops.quote_name
            for table in connection.introspection.table_names():
                # by hand: also tables without a model, and columns as they are stored
                with connection.cursor() as cursor:
                    cursor.execute(f"SELECT * FROM {quote(table)}")  # noqa: S608
                    for value in (value for row in cursor.fetchall() for value in row):
                        blob = isinstance(value, bytes | memoryview)
                        text = bytes(value).decode("latin-1") if blob else str(value)
                        yield f"table {table}", text


def _contains_secret(secret: str, text: str, joined: str) -> bool:
    """Return whether ``text`` or its ``joined`` digits contain the secret.

    A security code inside a longer number is chance: the microseconds of a few thousand
    log lines contain it. ``joined`` makes one number of a whole list."""
    if len(secret) > 4 or not secret.isdigit():
        return secret in text or secret in joined
    return re.search(rf"(?<!\d){secret}(?!\d)", text) is not None


def _as_text(value: Any) -> str:
    """Return the value as text. ``repr`` would escape characters that hide a number."""
    if isinstance(value, dict):
        return "\n".join(map(_as_text, (*value, *value.values())))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _sessions() -> list[Any]:
    if not apps.is_installed("django.contrib.sessions"):
        return []
    from django.contrib.sessions.models import Session  # only where it is installed

    return list(Session.objects.all())


def _sqlite_files() -> Iterator[tuple[str, str]]:
    """Yield the files of SQLite databases as ASCII text.

    Characters that are not ASCII are dropped, also invisible ones between digits."""
    for connection, end in product(connections.all(), ("", "-wal", "-journal")):
        if connection.vendor == "sqlite":
            path = Path(str(connection.settings_dict["NAME"]) + end)
            if path.is_file():
                yield f"file {path.name}", path.read_bytes().decode("ascii", "ignore")
