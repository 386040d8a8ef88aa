"""Where the built-in simulator keeps its orders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from django.conf import settings as django_settings
from django.core import mail

from nexi_payments.conf.settings import current

#: Not a file: each process keeps orders of its own, until it ends.
MEMORY: Final = ":memory:"


def simulator_state() -> str:
    """Return the path of the simulator's file, or ``MEMORY``.

    It is ``SIMULATOR_STATE`` if that is set. Otherwise all processes of a project share
    a file beside its SQLite database, or in ``BASE_DIR``. Tests, where Django sets
    ``mail.outbox``, and projects without a folder for it use the memory of each
    process.
    """
    explicit = current().simulator_state
    if explicit or hasattr(mail, "outbox"):
        return explicit or MEMORY
    path = _default_path()
    return path if path and is_writable(path) else MEMORY


def lacks_shared_file() -> bool:
    """Whether processes that share a database do not share the simulator's orders.

    It is not said of tests, nor of ``SIMULATOR_STATE`` as ``MEMORY``."""
    if current().simulator_state or hasattr(mail, "outbox"):
        return False
    return simulator_state() == MEMORY != _default_path()


def is_writable(path: str) -> bool:
    """Whether SQLite can write this file, and its journal beside it."""
    file = Path(path)
    wanted = [file.parent, *([file] if file.exists() else [])]
    return all(os.access(one, os.W_OK) for one in wanted)


def _default_path() -> str:
    """Return a path that is named for the database: another one has other orders.

    ``MEMORY`` for a database that only one process has; "" without a folder."""
    database: dict[str, Any] = django_settings.DATABASES.get("default", {})
    name = str(database.get("NAME") or "")
    folder = getattr(django_settings, "BASE_DIR", None)
    if str(database.get("ENGINE", "")).endswith("sqlite3"):
        if not name or name == MEMORY or name.startswith("file:"):
            return MEMORY
        folder = Path(name).absolute().parent
    if not folder:
        return ""
    return str(Path(folder) / f"{Path(name).stem or 'default'}.nexi_simulator.sqlite3")
