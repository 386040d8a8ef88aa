"""Nothing after the money has moved needs a static file or a template of the host."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.storage import (
    ManifestStaticFilesStorage,
    StaticFilesStorage,
)
from django.core.checks import run_checks
from django.test import Client

import nexi_payments
from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import (
    ORDERS_URL,
    PERMISSIONS,
    Clerk,
    card_url,
    order_url,
    result_url,
)
from tests.support.contracts import make_contract
from tests.support.in_doubt import payment_in_doubt
from tests.support.shopper import Shopper, new_order, parse_form, post_form

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]
W027 = "nexi_payments.W027"


class Away(StaticFilesStorage):
    """A bucket that asks somebody for each address, who is out."""

    def url(self, name: str, *args: Any, **kwargs: Any) -> str:
        raise ConnectionError("no route to bucket")


class Upgraded(StaticFilesStorage):
    """Collected before our files were there, so that the admin's are known."""

    def url(self, name: str, *args: Any, **kwargs: Any) -> str:
        if name.startswith("nexi_payments/"):
            raise ValueError(f"Missing staticfiles manifest entry for '{name}'")
        return super().url(name)


@pytest.fixture
def storage(settings: Any, tmp_path: Path) -> Any:
    settings.STATIC_ROOT = str(tmp_path / "static")

    def use(kind: type[StaticFilesStorage]) -> None:
        name = f"{kind.__module__}.{kind.__qualname__}"
        settings.STORAGES = {
            **settings.STORAGES,
            "staticfiles": {"BACKEND": name},
        }

    return use


@pytest.fixture(params=[ManifestStaticFilesStorage, Away, Upgraded])
def broken(request: Any, storage: Any) -> None:
    storage(request.param)


def read(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    return str(answer.content.decode())


def test_a_shopper_pays_where_nothing_was_collected(
    broken: None, shopper: Shopper, gateway: Simulator, caplog: Any
) -> None:
    order = new_order(success_url="/thanks/")
    page = read(shopper.browser.get(order.get_absolute_url()))
    assert 'name="card_number"' in page
    assert 'href="/static/nexi_payments/pages.css"' in page
    form = parse_form(shopper.submit_card(order))
    fields = shopper.answer_challenge(form)
    again = Client(HTTP_HOST="127.0.0.1:8000").get(form.path, fields)
    assert parse_form(again).fields == fields
    assert shopper.return_from_issuer(form, fields).status_code == 303
    there: Any = shopper.browser.get(f"/payments/result/{order.public_id}/")
    assert (there.status_code, there["Location"][:9]) == (303, "/thanks/?")
    status = shopper.browser.get(f"/payments/status/{order.public_id}/")
    assert (status.status_code, status.json()["state"]) == (200, "paid")
    said = [one for one in caplog.messages if "pages render without it" in one]
    assert len(said) == len(set(said)) == 4  # once each, however many pages
    assert "static file nexi_payments/pages.css is missing" in caplog.text


def test_every_other_page_of_a_shopper(
    broken: None, shopper: Shopper, settings: Any
) -> None:
    paid = shopper.pay(new_order())
    result = f"/payments/result/{paid.public_id}/"
    assert read(shopper.browser.get(result))
    assert paid.state == OrderState.PAID
    waiting = payment_in_doubt(shopper)
    page = read(shopper.browser.get(f"/payments/result/{waiting.public_id}/"))
    assert "/static/nexi_payments/pending.js" in page
    declined = shopper.pay(new_order(), "declined")
    page = read(shopper.browser.get(f"/payments/result/{declined.public_id}/"))
    assert "The card was declined" in page
    assert read(shopper.browser.get("/payments/result/0/"), 404)
    assert read(shopper.browser.get("/payments/link/x/"), 404)
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    form = shopper.start(new_order())
    landed = read(shopper.return_from_issuer(form, shopper.answer_challenge(form)))
    assert "/payments/result/" in landed
    assert PaymentOrder.objects.latest("pk").state == OrderState.PAID


def test_staff_after_an_upgrade_without_collecting(
    storage: Any, shopper: Shopper, gateway: Simulator
) -> None:
    storage(Upgraded)
    clerk = Clerk(*PERMISSIONS)
    order = clerk.take_phone_order()
    assert order.state == OrderState.PAID
    contract = make_contract(shopper)
    other = clerk.create_order(reference="R-2", amount="7.00")
    two = PaymentOrder.objects.latest("pk")
    assert other.status_code == 302
    for path in (
        result_url(order),
        f"{ORDERS_URL}{order.pk}/receipt/",
        order_url(order),
        card_url(two),
        ORDERS_URL,
        f"{ORDERS_URL}?state=paid",
        f"{ORDERS_URL}moto/",
        f"{ORDERS_URL}daily-report/",
        f"{ORDERS_URL}review-queue/",
        "/admin/nexi_payments/contract/",
        f"/admin/nexi_payments/contract/{contract.pk}/change/",
        "/admin/nexi_payments/cardverification/",
        "/admin/nexi_payments/cardverification/verify/",
    ):
        page = clerk.get_text(path)
        assert re.search(r'"/static/nexi_payments/[a-z]+\.(css|js)"', page), path
    flows.refund(order)


def test_a_check_names_the_files(storage: Any, settings: Any) -> None:
    def lacking() -> list[str]:
        found = run_checks(tags=["security"], include_deployment_checks=True)
        return [one.msg for one in found if one.id == W027]

    assert lacking() == []
    storage(ManifestStaticFilesStorage)
    (said,) = lacking()
    assert "nexi_payments/pages.css" in said
    assert "nexi_payments/card.js" in said


# -- templates of the host's -----------------------------------------------------------

BROKEN = {
    "a file that is not there": "{% load static %}{% static 'shop/look.css' %}",
    "a tag that is not there": "{% load nothing %}",
    "an address that is not there": "{% url 'nowhere' %}",
    "no end": "{% block content %}",
}


def override(settings: Any, place: Path, text: str, name: str = "base.html") -> None:
    folder = place / "templates/nexi_payments"
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [str(place / "templates")]}]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_template_of_the_host_that_is_broken_costs_no_page(
    shopper: Shopper,
    storage: Any,
    settings: Any,
    tmp_path: Path,
    caplog: Any,
    kind: str,
) -> None:
    storage(ManifestStaticFilesStorage)
    override(settings, tmp_path, BROKEN[kind])
    order = shopper.pay(new_order(), "declined")
    page = read(shopper.browser.get(f"/payments/result/{order.public_id}/"))
    assert "The card was declined" in page
    assert "result.html cannot be rendered, ours is shown instead" in caplog.text
    # and once more: its form has the token that Django wants
    strict = Client(HTTP_HOST="127.0.0.1:8000", enforce_csrf_checks=True)
    path = f"/payments/pay/{order.public_id}/"
    page = read(strict.get(path))
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    answer = post_form(strict, path, {"csrfmiddlewaretoken": token[1]})
    assert 'aria-invalid="true"' in read(answer)


def test_a_context_processor_that_raises_costs_no_page(
    shopper: Shopper, settings: Any
) -> None:
    (engine,) = settings.TEMPLATES
    options = {"context_processors": ["tests.web.test_static_files.processor"]}
    settings.TEMPLATES = [{**engine, "OPTIONS": options}]
    order = shopper.pay(new_order())
    assert order.state == OrderState.PAID
    assert read(shopper.browser.get(f"/payments/result/{order.public_id}/"))


def processor(request: Any) -> dict[str, Any]:
    raise ConnectionError("the basket is away")


def test_who_works_on_a_template_sees_what_is_wrong(
    shopper: Shopper, settings: Any, tmp_path: Path
) -> None:
    override(settings, tmp_path, BROKEN["an address that is not there"])
    order = new_order()
    settings.DEBUG = True
    shopper.browser.raise_request_exception = False
    assert shopper.browser.get(order.get_absolute_url()).status_code == 500


def test_a_card_is_in_no_line_about_a_broken_template(
    shopper: Shopper, settings: Any, tmp_path: Path, caplog: Any
) -> None:
    override(settings, tmp_path, BROKEN["no end"])
    answer = shopper.submit_card(new_order(), expiry="13/30")
    assert read(answer)
    assert "4349" not in caplog.text
    assert not [one for one in caplog.records if one.exc_info]


def test_neither_a_token_nor_pares_is_in_such_a_line(
    shopper: Shopper, settings: Any, tmp_path: Path, log_records: list[str]
) -> None:
    """What a template does not find is told with its whole context."""
    for name in ("return_continue", "return_repost", "result", "pending", "pay"):
        text = "{{ order|default:nothing_such }}"
        override(settings, tmp_path / name, text, f"{name}.html")
    (engine,) = settings.TEMPLATES
    folders = [str(one / "templates") for one in tmp_path.iterdir()]
    settings.TEMPLATES = [{**engine, "DIRS": folders}]
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    form = shopper.start(new_order())
    order = PaymentOrder.objects.get()
    token = form.path.split("/")[-2]
    log_records.clear()
    anybody = Client(HTTP_HOST="127.0.0.1:8000")
    assert read(anybody.get(f"{form.path}?PaRes=SECRETPARES"))
    assert read(anybody.post(form.path, {"PaRes": "SECRETPARES"}))
    assert read(anybody.get(f"/payments/result/{order.public_id}/"))
    assert read(anybody.get(order.page_url()))
    everything = "\n".join(log_records)
    for secret in (token, "SECRETPARES", order.public_id):
        assert secret not in everything
    for name in ("return_repost", "return_continue", "result", "pay"):
        assert re.search(
            rf"nexi_payments/{name}\.html cannot be rendered, ours is shown instead:"
            r" VariableDoesNotExist \(\S+\.py:[0-9]+\)\s",
            everything,
        ), name


def test_no_template_of_ours_asks_for_a_file_that_may_be_missing() -> None:
    """``{% static %}`` raises where a file was not collected, ``{% asset %}`` does
    not."""
    templates = sorted(Path(nexi_payments.__file__).parent.rglob("*.html"))
    assert len(templates) > 25
    tag = re.compile(r"{%-?\s*(?:static\b|get_static_prefix|load[^%]*\bstatic\b)")
    assert tag.search("{% load i18n static nexi_integrity %}")
    assert [one.name for one in templates if tag.search(one.read_text())] == []
