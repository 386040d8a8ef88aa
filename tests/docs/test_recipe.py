"""The shop of docs/integrations.md, in a new project: wrong currencies, yen, refunds
before shipping, recurring charges, with and without ``ATOMIC_REQUESTS``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import doc_pages
from tests.support.typed_shop import type_shop
from tests.testing.project import Project

pytestmark = pytest.mark.seen_on("sqlite")

SUITE = Path(__file__).with_name("shop_suite.py")
URLS = doc_pages.ROOT / "tests/integrations/other_shop/urls.py"
CURRENCIES = ["EUR", "HUF", "JPY", "USD"]
TERMINALS = {
    "default": {"CURRENCIES": CURRENCIES},
    "moto": {"MOTO": True, "CURRENCIES": CURRENCIES},
}


@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "ATOMIC_REQUESTS"])
def test_the_shop_of_the_page(tmp_path: Path, atomic: bool) -> None:
    shop = Project(
        tmp_path,
        'INSTALLED_APPS += ["yourshop"]',
        f"NEXI_PAYMENTS = {{'TERMINALS': {TERMINALS}}}",
        f'DATABASES["default"]["ATOMIC_REQUESTS"] = {atomic}',
    )
    type_shop(tmp_path)
    shop.write("shop/urls.py", URLS.read_text())
    shop.write("test_shop.py", SUITE.read_text())
    plugin = "nexi_payments.testing.pytest_plugin"
    shop.write("pytest.ini", "[pytest]\nDJANGO_SETTINGS_MODULE = shop.settings\n")
    done = shop.run("-m", "pytest", "-q", "-p", plugin, "-p", "no:cacheprovider")
    assert "16 passed" in done.stdout, done.stdout + done.stderr
