"""The README: short, true, and its ten lines run as they are written."""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support import doc_pages, typed_readme, warm_processes

pytestmark = pytest.mark.seen_on("sqlite")

PAGE = typed_readme.PAGE.read_text()
PAID = """
from contextlib import redirect_stdout
from io import StringIO

from django.test import TransactionTestCase
from nexi_payments.models import PaymentOrder
from nexi_payments.testing import NexiTestMixin


class Paid(NexiTestMixin, TransactionTestCase):
    def test_the_lines_sell_something(self):
        answer = self.client.get("/checkout/")
        payment = PaymentOrder.objects.get()
        self.assertRedirects(answer, payment.page_url())
        told = StringIO()
        with redirect_stdout(told):
            payment = self.nexi.pay(payment)
        self.assertEqual(payment.state, "paid")
        self.assertEqual([one.captured for one in self.nexi.charges], [1250])
        self.assertEqual(told.getvalue(), f"{payment.reference} 12.50 EUR paid\\n")
        back = f"/thanks/?payment={payment.order_id}"
        self.assertEqual(self.nexi.page["Location"], back)
        self.assertEqual(self.client.get(back).content, b"Thank you")

    def test_who_fails_may_try_again(self):
        self.client.get("/checkout/")
        payment = self.nexi.pay(PaymentOrder.objects.get(), card="declined")
        self.assertEqual(payment.state, "failed")
        self.assertEqual(self.nexi.charges, ())
        self.assertEqual(self.client.get(payment.failure_url).status_code, 302)
"""
WHICH = """
import django
from django.conf import settings
django.setup()
settings.DEBUG = True
from nexi_payments import conf
print(conf.load().terminal("default").environment)
"""


def run(where: Path, *words: str, **more: str) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{where}:{doc_pages.ROOT}",
        "DJANGO_SETTINGS_MODULE": "yourproject.settings",
        **more,
    }
    done = warm_processes.run(*words, cwd=where, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """By the page's shell lines and files alone."""
    lines = typed_readme.commands()
    assert lines[:2] == [["make", "demo"], ["make", "test"]]
    assert lines[2] == ["pip", "install", "django-nexi-payments"]
    for program, *words in lines[3:]:
        first = {"django-admin": ("-m", "django"), "python": ()}[program]
        run(tmp_path, *first, *words)
    assert typed_readme.type_readme(tmp_path) == [
        "yourproject/settings.py",
        "yourproject/urls.py",
        "yourshop/views.py",
        "yourshop/apps.py",
    ]
    return tmp_path


def test_the_ten_lines_sell_something(project: Path) -> None:
    run(project, "manage.py", "migrate", "-v", "0")
    assert "(0 silenced)" in run(project, "manage.py", "check")
    (project / "yourshop/tests.py").write_text(PAID)
    run(project, "manage.py", "test", "yourshop")


def test_the_key_decides_where_it_pays(project: Path) -> None:
    assert run(project, "-c", WHICH) == "simulator\n"
    assert run(project, "-c", WHICH, NEXI_API_KEY="k-1") == "sandbox\n"


def test_it_is_short() -> None:
    assert len(PAGE.splitlines()) < 120


def test_badges_say_what_the_package_declares() -> None:
    setup = configparser.ConfigParser()
    setup.read(doc_pages.ROOT / "setup.cfg")
    about = setup["metadata"]
    badges = {
        name: unquote(value).split(" | ")
        for name, value in re.findall(r"img\.shields\.io/badge/(\w+)-(.+?)-blue", PAGE)
    }
    assert badges == {
        "python": re.findall(r":: Python :: (3\.\d+)", about["classifiers"]),
        "django": re.findall(r":: Django :: (\d\.\d)", about["classifiers"]),
        "licence": [about["license_expression"]],
    }
    assert len(re.findall(r"!\[", PAGE)) == len(badges)


def test_the_comparison_has_the_measured_figures() -> None:
    measured = {
        name: int(statements)
        for name, statements in re.findall(
            r"^\| ([^|]+) \| (\d+) \|", doc_pages.page_text("performance.md"), re.M
        )
    }
    rows = re.findall(r"^\|(?!---)(.+)\|$", PAGE, re.M)
    head, *facts = [row.strip(" |").split(" | ") for row in rows]
    assert len(facts) == 5
    assert head == [
        "nexi_payments",
        "django-payments 4.1.0",
        "dj-stripe 2.11.0",
        "written by hand",
    ]
    assert all(
        release in doc_pages.page_text("performance.md") for release in head[1:3]
    )
    assert [int(cell.split(",")[0]) for cell in facts[-1][1:]] == [
        measured[name]
        for name in (
            "ours, MOTO",
            "django-payments, card form",
            "dj-stripe, create and sync",
            "baseline, MOTO",
        )
    ]
