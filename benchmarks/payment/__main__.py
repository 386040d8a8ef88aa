"""``make bench``: every cell in a process of its own, one after the other.

    python -m benchmarks.payment [--short] [--only sqlite] [--scheme https] [--keep]

``POSTGRES_URL`` names a server; without one only SQLite is measured. ``--keep`` writes
the result into ``results.json``, from which the tables of the documentation are made.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import certifi
import trustme

from benchmarks.payment import report

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("Django", "requests", "urllib3", "psycopg", "django-payments", "dj-stripe")
#: latency in ms → payments in one round
PAYMENTS_BY_LATENCY = {0: 24, 20: 10, 200: 3}


@contextmanager
def running_gateway(latency: float, tls: Path | None) -> Iterator[str]:
    """Its address; a process of its own, so that its work is not counted as ours."""
    command = [sys.executable, str(ROOT / "benchmarks/payment/fake_gateway.py")]
    command += ["--latency-ms", str(latency)]
    if tls is not None:
        command += ["--cert", str(tls / "cert.pem"), "--key", str(tls / "key.pem")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


def make_certificates(folder: Path) -> None:
    """An authority made for this run, beside all those that certifi has: how long a
    bundle takes to read is part of what is measured."""
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    made.private_key_pem.write_to_path(str(folder / "key.pem"))
    bundle = Path(certifi.where()).read_bytes() + authority.cert_pem.bytes()
    (folder / "bundle.pem").write_bytes(bundle)


def run_case(
    database: str, tls: Path | None, latency: int, rounds: int
) -> dict[str, Any]:
    payments = PAYMENTS_BY_LATENCY[latency] if rounds > 2 else 2
    with running_gateway(latency, tls) as address:
        env = {**os.environ, "DATABASE_URL": database, "GATEWAY": address}
        env["PYTHONPATH"] = str(ROOT)
        if tls is not None:
            env["REQUESTS_CA_BUNDLE"] = str(tls / "bundle.pem")
        command = [sys.executable, "-m", "benchmarks.payment.run"]
        command += ["--rounds", str(rounds), "--payments", str(payments)]
        command += ["--latency-ms", str(latency)]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def package_versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="two rounds of two")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--scheme", choices=("http", "https"))
    parser.add_argument("--keep", action="store_true", help="write results.json")
    options = parser.parse_args()
    rounds = 2 if options.short else 7
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_certificates(place)
        databases = {"sqlite": f"sqlite:///{place}/bench.sqlite3"}
        if url := os.environ.get("POSTGRES_URL"):
            databases["postgresql"] = url
        for name, address in databases.items():
            if options.only not in (None, name):
                continue
            for scheme, tls in (("http", None), ("https", place)):
                if options.scheme not in (None, scheme):
                    continue
                for latency in PAYMENTS_BY_LATENCY:
                    found = run_case(address, tls, latency, rounds)
                    where = {"database": name, "tls": bool(tls), "latency_ms": latency}
                    print(report.case_as_text({**where, **found}), flush=True)
                    if options.keep:
                        save_case(where, found, rounds)


def save_case(where: dict[str, Any], found: dict[str, Any], rounds: int) -> None:
    """One cell, beside those that were measured before."""
    cells = [
        one
        for one in report.load_results().get("payment", {}).get("cells", [])
        if any(one[name] != value for name, value in where.items())
    ]
    result = {
        "when": time.strftime("%Y-%m-%d"),
        "rounds": rounds,
        "cores": os.cpu_count(),
        "packages": package_versions(),
        "cells": [*cells, {**where, **found}],
    }
    report.save("payment", result)


if __name__ == "__main__":
    main()
