"""What the database does to the shop while the histories are played: ``--database``.

A fault comes again and again, at moments that the seed decides, and ends before the
judge looks. A mode holds for the whole run. Both concern the processes of the shop
alone: the runner's own connections are as always.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.histories import processes
from tests.support.servers import free_port
from tests.support.waiting import wait_until

#: ``application_name`` of the shop's connections, and of those that make the faults.
SHOP: Final = "shop"
RUNNER: Final = "runner"
#: Seconds between two faults, and for how long one lasts: shortest, longest.
_PAUSE: Final = (1.0, 5.0)
_DURATION: Final = (0.3, 2.5)
#: Milliseconds. A lock is held for longer.
_TIMEOUT: Final = 200

#: name → the databases that have it, and what it does
FAULTS: Final[dict[str, tuple[str, str]]] = {
    "cut": ("postgres", "connections are cut, also in a transaction"),
    "failover": ("postgres", "all are cut, and new ones are read-only for a while"),
    "locked": (
        "sqlite",
        "another process holds the write lock for longer than we wait",
    ),
    "lock_timeout": ("postgres", "another process holds locks; waiting is an error"),
    "statement_timeout": ("postgres", "likewise, and a slow statement is an error"),
    "pgbouncer": ("postgres", "PgBouncer in transaction mode; its server side is cut"),
    "repeatable_read": ("postgres", "every transaction is REPEATABLE READ"),
    "serializable": ("postgres", "every transaction is SERIALIZABLE"),
}
#: Pages of the demo shop that write in a transaction of its own.
_OF_THE_HOST: Final = ("/basket/", "/cards/join/", "/checkout/")
#: ``PGOPTIONS`` of the runner: it writes whatever the database's default is.
RUNNER_OPTIONS: Final = "-c default_transaction_read_only=off"
_TABLES: Final = (
    "nexi_payments_paymentorder",
    "nexi_payments_operation",
    "nexi_payments_event",
    "nexi_payments_contract",
)


def add_option(parser: argparse.ArgumentParser) -> None:
    words = "; ".join(f"{name}: {what}" for name, (_, what) in FAULTS.items())
    parser.add_argument("--database", default="", choices=["", *FAULTS], help=words)


def why_not(name: str, url: str) -> str:
    """Why a fault cannot be played here; "" if it can."""
    vendor = FAULTS[name][0] if name else ""
    if not url.startswith(vendor):
        return f"{name} is for {vendor}"
    if name == "pgbouncer" and not shutil.which("pgbouncer"):
        return "pgbouncer is not installed"
    return ""


@dataclass
class DatabaseFault:
    """``name`` is one of ``FAULTS``, or "". ``env`` is for the shop's processes.

    ``count`` is how often it came.
    """

    name: str
    url: str
    seed: str
    env: dict[str, str] = field(default_factory=dict)
    count: int = 0

    @property
    def fails(self) -> bool:
        """Whether statements of the shop fail. In a mode none does."""
        return self.name in _STEPS

    @contextmanager
    def prepared(self, folder: Path) -> Iterator[DatabaseFault]:
        """Sets ``env``; runs PgBouncer if it is wanted."""
        options = {
            "lock_timeout": f"-c lock_timeout={_TIMEOUT}",
            "statement_timeout": f"-c statement_timeout={_TIMEOUT}",
            "repeatable_read": r"-c default_transaction_isolation=repeatable\ read",
            "serializable": "-c default_transaction_isolation=serializable",
        }
        self.env["PGAPPNAME"] = SHOP
        self.env["HISTORIES_DATABASE_FAILS"] = "on" if self.fails else ""
        if self.name in options:
            self.env["PGOPTIONS"] = options[self.name]
        if self.name == "locked":
            self.env["HISTORIES_SQLITE_TIMEOUT"] = str(_TIMEOUT / 1000)
        if self.name != "pgbouncer":
            yield self
            return
        with _pgbouncer(self.url, folder) as url:
            self.env["DATABASE_URL"] = url
            self.env["HISTORIES_POOLED"] = "on"
            yield self

    @contextmanager
    def coming(self) -> Iterator[None]:
        """The fault comes and goes inside, made by another process: the steps after a
        charge are forks of this one, which so has no threads.
        """
        if not self.fails:
            yield
            return
        program = [sys.executable, "-m", "tests.histories.database_faults"]
        process = subprocess.Popen(
            [*program, self.name, self.url, self.seed],
            cwd=processes.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield
        finally:
            # it ends when its input does: also if this process is killed
            self.count = int(process.communicate()[0])


class _Faults:
    """Makes the faults of one run. ``stop`` ends the last one early."""

    def __init__(self, url: str, stop: threading.Event) -> None:
        self.url, self.stop = url, stop

    def run(self, name: str, seed: str) -> int:
        """Returns how many there were."""
        dice, count = random.Random(f"{seed}/{name}"), 0
        while not self.stop.wait(dice.uniform(*_PAUSE)):
            _STEPS[name](self, dice)
            count += 1
        return count

    def cut(self, dice: random.Random) -> None:
        with _admin(self.url) as admin:
            _terminate(admin, dice.choice((0.2, 0.5, 1.0)))

    def fail_over(self, dice: random.Random) -> None:
        name = self.url.rpartition("/")[2]
        with _admin(self.url) as admin:
            for state in ("on", "off"):
                admin.execute(
                    f"ALTER DATABASE {name} SET default_transaction_read_only = {state}"
                )
                _terminate(admin, 1.0)
                if state == "on":
                    self.stop.wait(dice.uniform(*_DURATION))

    def lock_table(self, dice: random.Random) -> None:
        with _admin(self.url) as admin, admin.transaction():
            admin.execute(f"LOCK TABLE {dice.choice(_TABLES)} IN EXCLUSIVE MODE")
            self.stop.wait(dice.uniform(*_DURATION))

    def lock_file(self, dice: random.Random) -> None:
        path = self.url.removeprefix("sqlite:///")
        other = sqlite3.connect(path, timeout=20, isolation_level=None)
        with suppress(sqlite3.OperationalError):  # it was never free
            other.execute("BEGIN IMMEDIATE")
            self.stop.wait(dice.uniform(*_DURATION))
            other.execute("ROLLBACK")
        other.close()


#: By name; the others of ``FAULTS`` are modes.
_STEPS: Final[Mapping[str, Callable[[_Faults, random.Random], None]]] = {
    "cut": _Faults.cut,
    "pgbouncer": _Faults.cut,
    "failover": _Faults.fail_over,
    "locked": _Faults.lock_file,
    "lock_timeout": _Faults.lock_table,
    "statement_timeout": _Faults.lock_table,
}


def may_fail(name: str, path: str) -> bool:
    """Whether a page may fail: in a mode, only one whose view has a transaction of the
    host, which would have to repeat it.
    """
    return name in _STEPS or (bool(name) and path.startswith(_OF_THE_HOST))


def leave_shop() -> None:
    """New connections of this process are the runner's."""
    from django.db import connection

    for name in ("PGAPPNAME", "PGOPTIONS"):
        os.environ.pop(name, None)
    if connection.vendor == "sqlite":  # the reconciler writes beside the judge
        connection.settings_dict["OPTIONS"]["timeout"] = 20


@contextmanager
def _admin(url: str) -> Iterator[Any]:
    """A connection that can write whatever the database's default is."""
    import psycopg

    with psycopg.connect(
        url, autocommit=True, application_name=RUNNER, options=RUNNER_OPTIONS
    ) as connection:
        yield connection


def _terminate(admin: Any, share: float) -> None:
    """Cuts this share of the shop's connections, whatever they are doing."""
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
        " datname = current_database() AND application_name = %s AND random() <= %s",
        (SHOP, share),
    )


@contextmanager
def _pgbouncer(url: str, folder: Path) -> Iterator[str]:
    """PgBouncer in transaction mode before ``url``; yields its URL."""
    import environ

    facts = environ.Env.db_url_config(url)
    port, name = free_port(), facts["NAME"]
    users, config = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{facts["USER"]}" "{facts["PASSWORD"]}"\n')
    config.write_text(
        f"[databases]\n{name} = host={facts['HOST']} port={facts['PORT'] or 5432}"
        f" dbname={name} user={facts['USER']}\n"
        "[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = any\nauth_file = {users}\n"
        "unix_socket_dir =\npool_mode = transaction\ndefault_pool_size = 5\n"
        "max_client_conn = 500\nlogfile =\npidfile =\n"
    )
    command = ["pgbouncer", "-q", str(config)]
    if os.getuid() == 0:  # it refuses to run as root
        folder.chmod(0o755)
        command[1:1] = ["-u", "nobody"]
    with (folder / "pgbouncer.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    there = f"postgres://{facts['USER']}@127.0.0.1:{port}/{name}"
    try:
        wait_until(lambda: _answers(there), 10)
        yield there
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        time.sleep(0.1)
        return False
    return True


def main() -> None:
    """``name``, ``url`` and ``seed``: makes faults until the end of standard input."""
    name, url, seed = sys.argv[1:]
    stop = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    print(_Faults(url, stop).run(name, seed))


if __name__ == "__main__":
    main()
