"""The lines of the quickstart, and no other, in a project that ``startproject`` made:
``check`` has nothing to say, the first mistake shows no card, and an order is paid."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support import warm_processes

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/quickstart.md").read_text()
CARD = {"card_number": "4349940199004549", "expiry": "12/30", "security_code": "0739"}
POST = f"""
import django
django.setup()
from urllib.parse import urlencode
from django.test import Client
browser = Client(HTTP_HOST="shop.invalid", raise_request_exception=False)
answer = browser.post(
    "/payments/pay/x/",
    urlencode({CARD}),
    content_type="application/x-www-form-urlencoded",
)
print(answer.status_code)
print(answer.content.decode())
"""


def lines_for(name: str) -> str:
    """The first block of the quickstart that begins with the name of a file."""
    return typed(name)[0]


def typed(name: str) -> list[str]:
    found = re.findall(rf"```(?:python|py)\n# {name}\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return list(map(str, found))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    run(tmp_path, "-m", "django", "startproject", "shop", ".")
    settings = tmp_path / "shop/settings.py"
    urls = tmp_path / "shop/urls.py"
    settings.write_text(settings.read_text() + lines_for("settings.py"))
    urls.write_text(urls.read_text() + lines_for("urls.py"))
    return tmp_path


def run(where: Path, *words: str) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{where}:{ROOT}",
        "DJANGO_SETTINGS_MODULE": "shop.settings",
    }
    done = warm_processes.run(*words, cwd=where, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


APP = ("models", "views", "receivers", "apps")
PAID = """
from django.test import TransactionTestCase
from nexi_payments.models import PaymentOrder
from nexi_payments.testing import NexiTestMixin
from yourshop.models import Parcel, ShopOrder


class Paid(NexiTestMixin, TransactionTestCase):
    def test_an_order_is_paid(self):
        answer = self.client.get("/checkout/")
        bought = ShopOrder.objects.get()
        payment = PaymentOrder.objects.get(reference=bought.number)
        self.assertRedirects(answer, payment.page_url())
        self.assertEqual(Parcel.objects.count(), 0)
        payment = self.nexi.pay(payment)
        self.assertEqual(payment.state, "paid")
        self.assertEqual([one.captured for one in self.nexi.charges], [1250])
        self.assertEqual(Parcel.objects.get().number, bought.number)
        back = f"/thanks/?payment={payment.order_id}"
        self.assertEqual(self.nexi.page["Location"], back)
        self.assertEqual(self.client.get(back).content, b"Thank you")
"""


def test_the_whole_page_typed_into_a_new_project(project: Path) -> None:
    run(project, "manage.py", "startapp", "yourshop")
    for name in APP:
        [source] = typed(f"yourshop/{name}.py")
        (project / f"yourshop/{name}.py").write_text(source)
    for name in ("settings.py", "urls.py"):
        _, more = typed(name)
        with (project / "shop" / name).open("a") as file:
            file.write(more)
    assert "Create model Parcel" in run(
        project, "manage.py", "makemigrations", "yourshop"
    )
    run(project, "manage.py", "migrate", "-v", "0")
    (project / "yourshop/tests.py").write_text(PAID)
    run(project, "manage.py", "test", "yourshop")


def test_check_has_nothing_to_say(project: Path) -> None:
    said = run(project, "manage.py", "check", "--fail-level", "DEBUG")
    assert said == "System check identified no issues (0 silenced).\n"


def test_a_debug_page_shows_no_card(project: Path) -> None:
    """Of a mistake that everybody makes once: ``ALLOWED_HOSTS``."""
    status, _, page = run(project, "-c", POST).partition("\n")
    assert status == "400"
    assert "Invalid HTTP_HOST header" in page
    assert "Traceback" in page
    assert CARD["card_number"] not in page
    assert not re.search(r"(?<![\w.])0739(?![\w.])", page)
