"""The keys of sealed cards: from the settings, or from a function of the host.

``SEALED_CARD_KEYS`` as a dotted path names a function without arguments that returns
the keys, the current one first, for example from a key management service. Its result
is used for a minute, so a rotation needs no restart.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from time import monotonic
from typing import Final

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from nexi_payments.conf.settings import current
from nexi_payments.conf.validators import decoded_card_keys

log = logging.getLogger("nexi_payments.sealed_cards")

#: Seconds until the function is called again, also after a failure.
REFRESH_SECONDS: Final = 60.0


@dataclass(frozen=True)
class _Fetched:
    keys: tuple[bytes, ...]
    #: when the function last returned them
    at: float
    next_call: float


_cache: dict[str, _Fetched] = {}
_lock = threading.Lock()


def sealed_card_keys() -> tuple[bytes, ...]:
    """The keys, the current one first; empty if there is none.

    Where the function fails, its last keys serve for ``SEALED_CARD_TTL``, so that begun
    payments end, and none after that. Raises ``ImproperlyConfigured`` for invalid
    settings.
    """
    settings = current()
    path = settings.sealed_card_keys_hook
    if not path:
        return settings.sealed_card_keys
    with _lock:
        known, now = _cache.get(path), monotonic()
        if known is None or known.next_call <= now:
            known = _cache[path] = _fetch(path, known, now)
    usable = now - known.at <= settings.sealed_card_ttl
    return known.keys if usable else ()


def _fetch(path: str, known: _Fetched | None, now: float) -> _Fetched:
    try:
        keys = decoded_card_keys(import_string(path)(), path)
        return _Fetched(keys, now, now + REFRESH_SECONDS)
    except Exception as error:
        # the class alone: the message of a client library may hold a secret
        log.critical("%s gives no key: %s", path, type(error).__name__)
        last = known or _Fetched((), now, now)
        return _Fetched(last.keys, last.at, now + REFRESH_SECONDS)


def _clear_cache(*, setting: str, **kwargs: object) -> None:
    if setting == "NEXI_PAYMENTS":
        _cache.clear()


setting_changed.connect(_clear_cache, dispatch_uid="nexi_payments.conf.card_keys")
