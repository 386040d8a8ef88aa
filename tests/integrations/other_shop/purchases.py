"""Any other shop: what docs/integrations.md has for it, typed into a new project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integrations.clerk import sign_in, submit_action
from tests.integrations.host import Host, enter_card
from tests.support import doc_pages
from tests.support.pages import answer_challenge

SETTINGS = "tests.integrations.other_shop.settings"
ORDERS = "SELECT total, received FROM yourshop_shoporder ORDER BY id"
PAGES = {
    "basket.html": """<form method="post" action="/checkout/">{% csrf_token %}
<button>Buy</button></form>""",
    "order.html": """<p>{{ order.received }} of {{ order.total }}</p>
<form method="post">{% csrf_token %}<button>Pay now</button></form>""",
}


def prepare(host: Host) -> None:
    project = host.database.parent
    typed = [_write_block(project, block) for block in doc_pages.blocks(_PAGE)]
    assert sorted(filter(None, typed)) == [
        f"yourshop/{name}.py" for name in ("apps", "models", "receivers", "views")
    ]
    (project / "yourshop/__init__.py").touch()
    pages = project / "yourshop/templates/yourshop"
    pages.mkdir(parents=True)
    for name, page in PAGES.items():
        (pages / name).write_text(page)
    host.environment["PYTHONPATH"] += f":{project}"
    host.manage("makemigrations", "-v", "0", "yourshop")
    host.manage("migrate", "-v", "0")
    host.manage("check")
    host.manage("shell", "-v", "0", "-c", _CLERK)


_PAGE = doc_pages.DOCS / "integrations.md"
_CLERK = """
from django.contrib.auth.models import User
User.objects.create_superuser("clerk", password="clerk")
"""


def _write_block(project: Path, block: doc_pages.Block) -> str:
    """Into the file that the first line names; what is for oscar is not for this."""
    name, _, source = block.source.partition("\n")
    name = name.removeprefix("# ")
    if block.language != "py" or "checkout/" in name or name == "urls.py":
        return ""
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text(source)
    return name


def buy(page: Any) -> None:
    page.goto("/")
    page.click("button")
    page.wait_for_url("**/payments/pay/**")


def shows(page: Any, sums: str) -> None:
    page.wait_for_url("**/orders/**")
    assert page.inner_text("p") == sums


def paid(host: Host, page: Any) -> None:
    buy(page)
    assert host.rows(ORDERS) == [(12.5, 0)]
    enter_card(page)
    answer_challenge(page)
    shows(page, "12.50 of 12.50")
    page.click("button")  # again: nothing is charged, the page says that it is paid
    page.wait_for_url("**/orders/**")
    assert host.rows("SELECT count(*) FROM nexi_payments_paymentorder") == [(1,)]


def a_browser_that_never_returns(host: Host, page: Any) -> None:
    buy(page)
    enter_card(page)
    page.wait_for_url("**/monetaweb/phoenixstos")
    page.route("**/result/**", lambda route: route.abort())
    page.click("button[value=approve]")
    host.wait_for_rows(f"{ORDERS} LIMIT 1 OFFSET 1", [(12.5, 12.5)])
    page.unroute("**/result/**")


def declined_left_and_paid_later(host: Host, page: Any) -> None:
    buy(page)
    enter_card(page, "declined")
    page.wait_for_url("**/result/**")
    page.click("main a >> nth=-1")  # back to the shop
    shows(page, "0.00 of 12.50")
    page.click("button")
    enter_card(page)
    answer_challenge(page)
    shows(page, "12.50 of 12.50")
    assert len(host.rows(ORDERS)) == 3


def captured_in_parts_refunded_and_told_twice(host: Host, page: Any) -> None:
    with host.with_environment(BRIDGE_CAPTURE="manual").serving() as site:
        context = page.context.browser.new_context(base_url=site, locale="en-GB")
        page = context.new_page()
        buy(page)
        enter_card(page)
        answer_challenge(page)
        shows(page, "0.00 of 12.50")
        sign_in(page)
        last = f"{ORDERS} LIMIT 1 OFFSET 3"
        payment = host.rows("SELECT max(id) FROM nexi_payments_paymentorder")[0][0]
        for deed, amount, received in (
            ("capture", "5.00", 5),
            ("capture", "7.50", 12.5),
            ("cancel", "", 7.5),
            ("refund", "0.50", 7),
        ):
            submit_action(page, payment, deed, amount)
            host.wait_for_rows(last, [(12.5, received)])
        context.close()
    before = host.rows(ORDERS)
    host.resend_signals()
    assert host.rows(ORDERS) == before


PURCHASES = (
    paid,
    a_browser_that_never_returns,
    declined_left_and_paid_later,
    captured_in_parts_refunded_and_told_twice,
)
