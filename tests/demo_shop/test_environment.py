"""Settings of the demo that come from the environment: other ways to pay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
READ = """
import json
from demo_shop import settings
print(json.dumps(settings.NEXI_PAYMENTS, default=str))
"""
SAMPLE = ["PAYPAL", "GOOGLEPAY", "BANCOMATPAY"]


def payments_settings(**environment: str) -> dict[str, Any]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NEXI_")}
    done = subprocess.run(
        [sys.executable, "-c", READ],
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_without_anything() -> None:
    found = payments_settings()
    terminals = found["TERMINALS"]
    assert {name: one.get("METHODS") for name, one in terminals.items()} == {
        "default": SAMPLE,
        "two_steps": SAMPLE,
        "manual": None,
        "nexi_page": SAMPLE,
        "moto": None,
    }
    assert {name for name, one in terminals.items() if "CARDS" in one} == {"nexi_page"}
    assert terminals["nexi_page"]["CARDS"] == "hosted_page"
    assert "HOSTED_EXPIRE_AFTER" not in found


def test_all_on_nexis_page() -> None:
    found = payments_settings(
        NEXI_CARDS="hosted_page",
        NEXI_METHODS="PAYPAL,MYBANK",
        NEXI_HOSTED_EXPIRE_AFTER="600",
        NEXI_HOSTED_PAGE_HOSTS="one.example,two.example",
    )
    terminals = found["TERMINALS"]
    assert terminals["default"]["CARDS"] == "hosted_page"
    assert terminals["default"]["METHODS"] == ["PAYPAL", "MYBANK"]
    assert terminals["manual"]["CARDS"] == "hosted_page"
    assert "CARDS" not in terminals["moto"]
    assert found["HOSTED_EXPIRE_AFTER"] == 600
    assert all(
        one["HOSTED_PAGE_HOSTS"] == ["one.example", "two.example"]
        for one in terminals.values()
    )


@pytest.mark.parametrize(
    ("environment", "methods"),
    [
        ({"NEXI_METHODS": "auto"}, "auto"),
        ({"NEXI_METHODS": ""}, []),
        ({"NEXI_BASE_URL": "http://localhost:1/api/"}, []),
    ],
)
def test_methods(environment: dict[str, str], methods: object) -> None:
    found = payments_settings(**environment)
    assert found["TERMINALS"]["default"]["METHODS"] == methods
