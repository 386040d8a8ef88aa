"""The quickstart with the settings of docs/payment_methods.md, in a project that
``startproject`` made: cards and other ways to pay, all on Nexi's hosted page."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support import doc_pages
from tests.testing.project import Project

BUY = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
import re
from django.core.management import call_command
from django.test import Client
from django.test.utils import setup_test_environment
from nexi_payments.models import PaymentOrder
from nexi_payments.testing import NexiSimulator
from yourshop.views import checkout

call_command("makemigrations", "yourshop", verbosity=0, skip_checks=True)
call_command("migrate", verbosity=0, skip_checks=True)
call_command("check", fail_level="ERROR")
setup_test_environment()
with NexiSimulator() as nexi:
    for method in ("PAYPAL", "CARDS"):
        path = checkout(None).url
        page = Client().get(path, secure=True).content.decode()
        print("card form:", "card_number" in page)
        print(*re.findall(r'name="method" value="(\\w+)"', page))
        payment = PaymentOrder.objects.latest("pk")
        payment = nexi.pay(payment, method=method)
        print(payment.state, payment.method, nexi.page.status_code)
"""


def lines_for(page: str, name: str) -> str:
    """The block that begins with the name of a file."""
    text = (doc_pages.DOCS / page).read_text()
    found = re.search(rf"```py(?:thon)?\n# {name}[^\n]*\n(.*?)```", text, re.DOTALL)
    assert found, name
    return found[1]


def test_cards_and_other_ways_on_nexis_page(tmp_path: Path) -> None:
    settings = lines_for("payment_methods.md", "settings.py")
    shop = Project(tmp_path, "import os", settings, 'INSTALLED_APPS += ["yourshop"]')
    shop.write("yourshop/__init__.py", "")
    for name in ("models", "views"):
        file = f"yourshop/{name}.py"
        shop.write(file, lines_for("quickstart.md", file))
    shop.write("buy.py", BUY)
    done = shop.run("buy.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        "card form: False",
        "CARDS PAYPAL GOOGLEPAY APPLEPAY BANCOMATPAY MYBANK",
        "paid PAYPAL 303",
        "card form: False",
        "CARDS PAYPAL GOOGLEPAY APPLEPAY BANCOMATPAY MYBANK",
        "paid CARDS 303",
    ], done.stdout
