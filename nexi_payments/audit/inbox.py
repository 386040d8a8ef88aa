"""Writes accesses of staff that change no payment."""

from __future__ import annotations

import getpass
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from django.utils import timezone

from nexi_payments.models.audit import StaffAccess
from nexi_payments.pan_scanner import contains_card_number

#: Ids in addresses; anything else that was typed there is not stored.
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_WITHHELD: Final = "***"


class Staff(Protocol):
    """Who asks: a ``flows.Actor``."""

    @property
    def user(self) -> Any: ...
    @property
    def address(self) -> str | None: ...
    @property
    def request_id(self) -> str: ...
    @property
    def staff_name(self) -> str: ...


@dataclass(frozen=True)
class Shell:
    """Who runs a command: the user of the operating system, as "shell:deploy"."""

    user: None = None
    address: None = None
    request_id: str = ""

    @property
    def staff_name(self) -> str:
        with suppress(Exception):  # no environment and no entry: OSError, KeyError
            return f"shell:{getpass.getuser()}"
        return "shell"


def record_access(
    kind: str,
    actor: Staff,
    *,
    page: str = "",
    about: object = "",
    detail: str = "",
    note: str = "",
) -> None:
    """Writes one access (``AccessKind``), in the caller's transaction if there is one.

    ``about`` is an id of ours, ``detail`` holds no personal data. What looks like a
    card number is stored as "***". Raises the errors of the database: without a record
    the access must not go on.
    """
    user = actor.user
    StaffAccess.objects.create(
        kind=kind,
        page=page[:100],
        about=str(about) if _ID.fullmatch(_clean(str(about))) else "",
        detail=detail[:300],
        note=_clean(note)[:300],
        actor_name=actor.staff_name,
        actor_key="" if user is None else str(user.pk)[:64],
        address=actor.address,
        request_id=actor.request_id[:64],
        created_at=timezone.now(),
    )


def _clean(text: str) -> str:
    # NUL: PostgreSQL rejects it
    return _WITHHELD if contains_card_number(text) else text.replace("\0", "")
