"""The processes of a run: gateway, shop (gunicorn), reconciler, killer."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.histories import worlds
from tests.support.servers import wait_until_up

ROOT = Path(__file__).resolve().parent.parent.parent
#: seconds; a charge in doubt is given up after SETTLE, watched for WATCH. A request
#: may take TOTAL, so that it is surely over TOTAL + 5 after its claim.
TOTAL, SETTLE, WATCH, EXPIRE, LATEST = 3, 9, 45, 12, 12

#: the processes that are killed beside the web workers
BACKGROUND_PROCESSES = ("reconciler", "charger", "other charger")


def environment(folder: Path, database: str, atomic: bool) -> dict[str, str]:
    key = base64.urlsafe_b64encode(b"histories-histories-histories-32")
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.histories.settings",
        "DATABASE_URL": database,
        "CACHE_URL": "dummycache://",
        "DEBUG": "off",
        "SECRET_KEY": "histories",
        "ALLOWED_HOSTS": "127.0.0.1",
        "ATOMIC_REQUESTS": "on" if atomic else "off",
        "NEXI_API_KEY": "histories",
        "NEXI_SEALED_CARD_KEYS": key.decode(),
        "NEXI_TOTAL_TIMEOUT": str(TOTAL),
        "NEXI_SETTLE_AFTER": str(SETTLE),
        "NEXI_WATCH_FOR": str(WATCH),
        "NEXI_EXPIRE_AFTER": str(EXPIRE),
        "NEXI_SEALED_CARD_TTL": "10",
        "NEXI_RATE_LIMITS": "off",
        "HISTORIES_LOG": str(folder / "shop.log"),
    }


def children(pid: int) -> list[int]:
    with suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(one) for one in text.split()]
    return []


@contextmanager
def gateway(
    seed: str,
    folder: Path,
    *,
    posts: float = 0.45,
    gets: float = 0.2,
    world: str = worlds.PLAIN,
    settle: float = worlds.SETTLE,
    watch: float = worlds.WATCH,
) -> Iterator[str]:
    """Runs the gateway; yields its base URL. ``posts`` and ``gets`` are the shares of
    calls with faults. ``world`` is a name of ``tests.histories.worlds``; its times fit
    ``settle`` and ``watch``, in seconds.
    """
    command = [sys.executable, "-m", "tests.histories.faulty_gateway", "--seed", seed]
    command += ["--timeout", str(TOTAL), "--latest", str(LATEST)]
    command += ["--posts", str(posts), "--gets", str(gets), "--world", world]
    command += ["--settle", str(settle), "--watch", str(watch)]
    with (folder / f"gateway-{world}.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@dataclass
class Shop:
    """gunicorn with some workers, a reconciler, and two processes that charge due
    contracts.
    """

    env: dict[str, str]
    folder: Path
    port: int
    dice: random.Random
    workers: int = 4
    killed: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *names: str) -> None:
        """Starts some of "web" and ``BACKGROUND_PROCESSES``; by default all of them."""
        for name in names or ("web", *BACKGROUND_PROCESSES):
            self._run(name)
        if "web" not in self._processes:
            return
        try:
            wait_until_up(self.site, self._processes["web"])
        except AssertionError as error:
            raise SystemExit(f"{error}: see {self.folder}") from None

    def _run(self, name: str) -> None:
        command = {
            "web": [
                *("-m", "gunicorn", "demo_shop.wsgi", "--preload"),
                *("-b", f"127.0.0.1:{self.port}", "-w", str(self.workers)),
                *("-k", "gthread", "--threads", "8", "--timeout", "30"),
                *("--graceful-timeout", "5", "--log-level", "critical"),
            ],
            "reconciler": [
                "manage.py",
                "nexi_reconcile",
                "--watch",
                "--interval",
                "0.5",
            ],
            "charger": ["-m", "tests.histories.charge_due_loop"],
            "other charger": ["-m", "tests.histories.charge_due_loop"],
        }[name]
        with Path(self.env["HISTORIES_LOG"]).open("a") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
            )

    @contextmanager
    def killing_workers(self, every: float) -> Iterator[None]:
        """kill -9 of a random worker about every so many seconds, and now and then of
        the reconciler or a charger; the run starts them again."""
        thread = threading.Thread(target=self._kill, args=(every,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _kill(self, every: float) -> None:
        while not self._stop.wait(every * self.dice.uniform(0.5, 1.5)):
            self.kill_one()

    def kill_one(self) -> None:
        web = self._processes.get("web")
        if web is None or self.dice.random() < 0.15:
            name = self.dice.choice([name for name in self._processes if name != "web"])
            self._processes[name].kill()
            self._processes[name].wait()
            self._run(name)
            self.killed += 1
            return
        workers = children(web.pid)
        if workers:
            with suppress(ProcessLookupError):
                os.kill(self.dice.choice(workers), signal.SIGKILL)
                self.killed += 1

    def stop_charging(self) -> None:
        """Kills as a crash would; the next run takes over."""
        for name in BACKGROUND_PROCESSES[1:]:
            self._processes[name].kill()
            self._processes[name].wait()

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
