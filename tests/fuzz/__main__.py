"""``python -m tests.fuzz -n 300``: schemathesis against the API of a running demo.

Everything that its description promises is held against what comes back: statuses,
shapes, refusals of what is not described, credentials that matter. In two passes, with
ids that exist and with any ids. Exit 1 when something was found.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.servers import free_port, wait_until_up

ROOT = Path(__file__).resolve().parents[2]

CONFIG = """
[warnings]
enabled = false

# ids are never deleted here
[checks]
use_after_free.enabled = false
ensure_resource_availability.enabled = false

# what no schema can say: Luhn, a live reference, what is left of a payment
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "409", "503"]

# a refusal like any other, which schemathesis does not count among them
[checks.negative_data_rejection]
expected-statuses = ["4xx"]
"""
KNOWN_IDS_CONFIG = """
[[operations]]
include-path-regex = "/checkout/"
parameters = {{ id = "{open}", "X-Client-Secret" = "{secret}" }}

[[operations]]
include-path-regex = "/orders/.id./"
parameters = {{ id = "{paid}" }}

[[operations]]
include-path-regex = "/card-verifications/.id./"
parameters = {{ id = "{checked}" }}
"""


@contextmanager
def running_demo(folder: Path) -> Iterator[str]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.fuzz.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'fuzz.sqlite3'}",
        "NEXI_SIMULATOR_STATE": str(folder / "simulator.sqlite3"),
        "NEXI_RATE_LIMITS": "off",
        "NEXI_PUBLIC_URL": "http://127.0.0.1:8000",
    }
    os.environ.update(environment)
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "demo", "--no-serve"], cwd=ROOT, check=True)
    command = [sys.executable, "-m", "gunicorn", "demo_shop.wsgi", "--threads", "8"]
    port = free_port()
    process = subprocess.Popen(
        [*command, "-b", f"127.0.0.1:{port}", "--log-level", "error"], cwd=ROOT
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(address, process)
        yield address
    finally:
        process.terminate()
        process.wait()


def create_known_ids() -> dict[str, str]:
    """A payment to be paid, a paid one, and a card that was verified."""
    import django

    django.setup()
    from decimal import Decimal

    from nexi_payments import flows
    from nexi_payments.api import client_secret
    from nexi_payments.card import Card
    from nexi_payments.flows import moto
    from nexi_payments.simulator import TEST_CARDS

    fresh = flows.create_order(amount=Decimal("12.50"), currency="EUR")
    paid = moto.create_moto_order(
        amount=Decimal("1000.00"),
        currency="EUR",
        reference="fuzz",
        terminal="moto",
        actor=flows.Actor(),
    )
    one = TEST_CARDS[0]
    card = Card(one.number, one.expiry.replace("/", ""), one.cvv)
    flows.pay_moto(paid, card, cardholder="Giulia Bianchi")
    assert paid.state == "paid"
    return {
        "open": fresh.order_id,
        "secret": client_secret(fresh),
        "paid": paid.order_id,
        "checked": flows.verify_card(card).order_id,
    }


def run_schemathesis(address: str, folder: Path, config: str, options: Any) -> int:
    path = folder / "schemathesis.toml"
    path.write_text(config)
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file"),
        *(str(path), "run", f"{address}/api/schema/?format=json"),
        *("--include-path-regex", "^/api/payments/", "--auth", "admin:admin"),
        *("--max-examples", str(options.n), "--checks", "all", "--no-color"),
        *("--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all"),
        *("--seed", str(options.seed), "--continue-on-failure"),
    ]
    return subprocess.run(command, cwd=folder).returncode


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("-n", type=int, default=300, help="examples an operation")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        with running_demo(folder) as address:
            ids = create_known_ids()
            found = [
                run_schemathesis(
                    address, folder, CONFIG + KNOWN_IDS_CONFIG.format(**ids), options
                ),
                run_schemathesis(address, folder, CONFIG, options),
            ]
    sys.exit(any(found))


if __name__ == "__main__":
    main()
