"""The processes of a run: gateway, shop (gunicorn), reconciler, and who kills them."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent.parent
#: seconds; a charge in doubt is given up after SETTLE, watched for WATCH. A request
#: may take TOTAL, so that it is surely over TOTAL + 5 after its claim.
TOTAL, SETTLE, WATCH, EXPIRE, LATEST = 3, 9, 45, 12, 12

#: the processes that are killed beside the web workers
BESIDE = ("reconciler", "charger", "other charger")


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
        "NEXI_HOLD_KEYS": key.decode(),
        "NEXI_TOTAL_TIMEOUT": str(TOTAL),
        "NEXI_SETTLE_AFTER": str(SETTLE),
        "NEXI_WATCH_FOR": str(WATCH),
        "NEXI_EXPIRE_AFTER": str(EXPIRE),
        "NEXI_HOLD_TTL": "10",
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
    seed: str, folder: Path, *, posts: float = 0.45, gets: float = 0.2
) -> Iterator[str]:
    """Runs the gateway; its address, without a path. ``posts`` and ``gets`` are the
    shares of calls that go wrong."""
    command = [sys.executable, "-m", "tests.histories.gateway", "--seed", seed]
    command += ["--timeout", str(TOTAL), "--latest", str(LATEST)]
    command += ["--posts", str(posts), "--gets", str(gets)]
    with (folder / "gateway.log").open("w") as log:
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
    """gunicorn with some workers; beside it a reconciler, and two processes that charge
    the cards on file that are due."""

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

    def start(self, *, reconciler: bool = True) -> None:
        self._run("web")
        if reconciler:
            for name in BESIDE:
                self._run(name)
        for _ in range(150):
            with suppress(requests.RequestException):
                if requests.get(self.site, timeout=5).status_code == 200:
                    return
            time.sleep(0.2)
        raise SystemExit(f"the shop does not start: see {self.folder}")

    def _run(self, name: str) -> None:
        command = {
            "web": [
                *("-m", "gunicorn", "demo_shop.wsgi", "--preload"),
                *("-b", f"127.0.0.1:{self.port}", "-w", str(self.workers)),
                *("-k", "gthread", "--threads", "8", "--timeout", "30"),
                *("--graceful-timeout", "5", "--log-level", "critical"),
            ],
            "reconciler": ["manage.py", "nexi_reconcile", "--watch", "--every", "0.5"],
            "charger": ["-m", "tests.histories.charger"],
            "other charger": ["-m", "tests.histories.charger"],
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
    def in_danger(self, every: float) -> Iterator[None]:
        """kill -9 of a random worker about every so many seconds, and now and then of
        the reconciler or a charger; whoever runs workers starts them again."""
        thread = threading.Thread(target=self._kill, args=(every,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _kill(self, every: float) -> None:
        while not self._stop.wait(every * self.dice.uniform(0.5, 1.5)):
            if self.dice.random() < 0.15:
                name = self.dice.choice(BESIDE)
                self._processes[name].kill()
                self._processes[name].wait()
                self._run(name)
                self.killed += 1
                continue
            workers = children(self._processes["web"].pid)
            if workers:
                with suppress(ProcessLookupError):
                    os.kill(self.dice.choice(workers), signal.SIGKILL)
                    self.killed += 1

    def stop_charging(self) -> None:
        """As a crash would; what they had in hand is the next run's."""
        for name in BESIDE[1:]:
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
