"""The plugin and the mixin in projects of others, without a socket."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.testing.project import Project

pytestmark = pytest.mark.seen_on("sqlite")

SANDBOX = """
NEXI_PAYMENTS = {
    "TERMINALS": {"default": {"API_KEY": "a-real-key"}},
    "PUBLIC_URL": "https://shop.example",
    "SEALED_CARD_KEYS": ["dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="],
}
"""
NO_KEY = 'NEXI_PAYMENTS = {"TERMINALS": {"default": {"API_KEY": None}}}'
PYTEST = """
[pytest]
DJANGO_SETTINGS_MODULE = shop.settings
pythonpath = .
addopts = --disable-socket
filterwarnings = error
"""
CONFTEST = 'pytest_plugins = ["nexi_payments.testing.pytest_plugin"]\n'
TESTS = """
from decimal import Decimal

import pytest
from nexi_payments import flows


def new_order():
    return flows.create_order(amount=Decimal("12.50"), currency="EUR", reference="D-1")


@pytest.mark.django_db
def test_paid(nexi_simulator):
    order = nexi_simulator.pay(new_order(), card="challenge")
    assert order.state == "paid"
    assert [charge.captured for charge in nexi_simulator.charges] == [1250]
    nexi_simulator.assert_no_card_data()


@pytest.mark.django_db(transaction=True)
def test_lost(nexi_simulator, assert_no_card_data):
    nexi_simulator.start(new_order())
    nexi_simulator.lose_next_answer()
    assert nexi_simulator.complete_3ds().state == "paid"


@pytest.mark.django_db
def test_forgotten():
    from nexi_payments import conf

    conf.client(conf.current().terminal("default")).payment_methods(conf.call_context())
"""
UNITTESTS = """
from decimal import Decimal

from django.dispatch import receiver
from django.test import TestCase, TransactionTestCase

from nexi_payments import flows
from nexi_payments.signals import payment_paid
from nexi_payments.testing import NexiTestMixin

told = []


@receiver(payment_paid)
def ship(order, **kwargs):
    told.append(order.reference)


class Payments:
    def test_paid(self):
        order = flows.create_order(
            amount=Decimal("12.50"), currency="EUR", reference="D-1"
        )
        told.clear()
        self.assertEqual(self.nexi.pay(order).state, "paid")
        self.assertEqual(told, ["D-1"])
        self.nexi.assert_no_card_data()

    def test_never_came_back(self):
        order = flows.create_order(amount=Decimal("5"), currency="EUR")
        self.nexi.start(order)
        self.nexi.advance(minutes=31)
        order.refresh_from_db()
        self.assertEqual((order.state, order.reason), ("failed", "expired"))


class InATransaction(Payments, NexiTestMixin, TestCase):
    pass


class WithCommits(Payments, NexiTestMixin, TransactionTestCase):
    pass
"""


@pytest.mark.parametrize("loaded", ["by a conftest", "by an option"])
def test_the_plugin_in_a_project_with_a_sandbox_key(
    tmp_path: Path, loaded: str
) -> None:
    shop = Project(tmp_path, SANDBOX)
    shop.write("pytest.ini", PYTEST)
    shop.write("tests/test_checkout.py", TESTS)
    options = ["-p", "no:cacheprovider"]
    if loaded == "by a conftest":
        shop.write("conftest.py", CONFTEST)
    else:  # before Django is set up
        options += ["-p", "nexi_payments.testing.pytest_plugin"]
    done = shop.run("-m", "pytest", "-q", *options)
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "NexiWasCalled: this test tried to call Nexi" in done.stdout


@pytest.mark.parametrize("settings", [NO_KEY, SANDBOX], ids=["no key", "sandbox"])
def test_the_mixin_under_manage_py_test(tmp_path: Path, settings: str) -> None:
    shop = Project(tmp_path, settings)
    shop.write("shop/tests.py", UNITTESTS)
    done = shop.run("-W", "error", "manage.py", "test", "shop")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Ran 4 tests in .*\n\nOK\n", done.stderr), done.stderr
