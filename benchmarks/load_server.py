"""Processes for a load: servers, gateways, databases, each ended or removed again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def exit_on_sigterm() -> None:
    """A SIGTERM ends what was started and removes what was made, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(143))


@contextmanager
def running_process(
    command: list[str], env: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield started
    finally:
        started.terminate()
        started.wait(20)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running_gateway(latency: int) -> Iterator[str]:
    """An origin that answers a charge after ``latency`` ms, the baseline's, too."""
    door = [
        sys.executable,
        "benchmarks/payment/fake_gateway.py",
        "--latency-ms",
        str(latency),
    ]
    with running_process(door, {}) as started:
        assert started.stdout is not None
        yield f"http://127.0.0.1:{int(started.stdout.readline())}"


@contextmanager
def running_simulator(latency: int) -> Iterator[str]:
    """The simulator's origin: it also answers look-ups, and loses answers."""
    command = [sys.executable, "-m", "nexi_payments.simulator", "--port", "0"]
    with running_process([*command, "--latency-ms", str(latency)], {}) as started:
        assert started.stdout is not None
        origin = started.stdout.readline().split()[1].partition("/api/")[0]
        yield origin.replace("localhost", "127.0.0.1")


def server_command(server: tuple[str, ...], port: int) -> list[str]:
    kind, *rest = server
    address = f"127.0.0.1:{port}"
    module = "benchmarks.load_wsgi:application"
    if kind == "gunicorn":
        return [sys.executable, "-m", kind, *rest, "-b", address, module]
    workers, threads = rest
    options = ["--interface", "wsgi", "--workers", workers, "--port", str(port)]
    options += ["--blocking-threads", threads, "--backpressure", "512"]
    return [sys.executable, "-m", kind, *options, "--no-log", module]


def memory_mib(process_id: int) -> float:
    """MiB of a server and its workers; what they share is divided among them."""
    ids = subprocess.run(
        ["pgrep", "-P", str(process_id)], capture_output=True, text=True, check=False
    ).stdout.split()
    total = 0
    for one in [str(process_id), *ids]:
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def wait_for_port(port: int) -> None:
    for _attempt in range(100):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise SystemExit("the server does not answer")


@contextmanager
def temporary_database(kind: str, server: str) -> Iterator[str]:
    """The URL of a fresh database with the tables."""
    with ExitStack() as stack:
        if kind == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url = f"sqlite:///{folder}/load.sqlite3"
        else:
            name = f"load_{uuid.uuid4().hex[:8]}"
            sql = ["psql", "-q", "-c"]
            subprocess.run([*sql, f"CREATE DATABASE {name}", server], check=True)
            drop = f"DROP DATABASE {name} WITH (FORCE)"
            stack.callback(subprocess.run, [*sql, drop, server], check=True)
            url = f"{server.rpartition('/')[0]}/{name}"
        env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "benchmarks.load_settings",
            "DATABASE_URL": url,
        }
        migrate = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "-v0"]
        migrate += ["--skip-checks"]  # it is no shop: nobody keys a card, say
        subprocess.run(migrate, cwd=ROOT, env=env, check=True)
        yield url
