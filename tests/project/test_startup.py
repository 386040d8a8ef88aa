"""What a process imports before it takes a payment. In processes of their own: this one
has imported everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.seen_on("sqlite")

ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = """
import json, sys
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    SECRET_KEY="startup",
    DEBUG=False,
    USE_TZ=True,
    ALLOWED_HOSTS=["shop.example"],
    ROOT_URLCONF="nexi_payments.urls",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "nexi_payments",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    NEXI_PAYMENTS={
        "TERMINALS": {"default": {"API_KEY": "k", "ENVIRONMENT": "sandbox"}},
        "PUBLIC_URL": "https://shop.example",
        "SEALED_CARD_KEYS": ["dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="],
    },
)
django.setup()
if "check" in sys.argv:
    from django.core.checks import registry

    print(len(registry.registry.run_checks(databases=["default"])), file=sys.stderr)
if "urls" in sys.argv:
    import nexi_payments.urls
print(json.dumps(sorted(sys.modules)))
"""
#: heavy, and of use to some shops only
_NEVER = (
    "rest_framework",
    "drf_spectacular",
    "celery",
    "kombu",
    "prometheus_client",
    "opentelemetry",
    "moneyed",
    "nexi_payments.simulator",
    "nexi_payments.testing",
    "nexi_payments.api",
    "nexi_payments.admin",
    "nexi_payments.tasks",
    "nexi_payments.metrics",
)


def imported(*words: str) -> set[str]:
    """The modules of a fresh process that was started with these words."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


def under(modules: set[str], *packages: str) -> set[str]:
    return {one for one in modules if one.startswith(packages)}


def test_a_start_imports_models_and_nothing_that_sends() -> None:
    modules = imported()
    assert "nexi_payments.models.order" in modules
    assert under(modules, *_NEVER) == set()
    assert under(modules, "requests", "urllib3", "cryptography", "certifi") == set()
    assert (
        under(modules, "nexi_payments.checks.configuration", "nexi_payments.flows")
        == set()
    )


def test_the_pages_import_what_seals_a_card_and_no_more_of_its_library() -> None:
    modules = imported("urls")
    assert {"nexi_payments.flows", "nexi_payments.sealed_cards", "requests"} <= modules
    assert under(modules, *_NEVER) == set()
    assert "cryptography.hazmat.primitives.ciphers.aead" in modules
    assert "cryptography.fernet" not in modules
    unused = ("x509", "hazmat.primitives.asymmetric", "hazmat.primitives.serialization")
    assert under(modules, *(f"cryptography.{part}" for part in unused)) == set()


def test_the_checks_are_imported_when_they_are_run() -> None:
    modules = imported("check")
    assert "nexi_payments.checks.deployment" not in modules  # only with --deploy
    assert {
        "nexi_payments.checks.configuration",
        "nexi_payments.checks.database",
    } <= modules
    assert under(modules, *_NEVER) == set()
