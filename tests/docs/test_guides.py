"""What the guides, the glossary and the page about symptoms say is so. Their snippets
run in ``test_snippets``, too."""

from __future__ import annotations

import importlib
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import get_commands
from django.test import RequestFactory

from nexi_payments import conf, doctor, flows
from nexi_payments.api import problem_details
from nexi_payments.checks.deployment import check_deployment
from nexi_payments.checks.staff_rules import check_staff_rules
from nexi_payments.conf import settings as conf_settings
from nexi_payments.conf import terminals
from nexi_payments.exceptions import ReferenceInUse
from nexi_payments.models import PaymentOrder
from nexi_payments.web.client_info import get_client_ip
from tests.docs.test_snippets import play
from tests.support import doc_pages
from tests.support.shopper import Shopper, new_order

GUIDES = doc_pages.DOCS / "guides"
PACKAGE = doc_pages.ROOT / "nexi_payments"
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nobody_else_listens"),
]


def use(names: dict[str, Any], change_settings: Any, settings: Any) -> None:
    """The settings of a page. Without API keys, and with DEBUG, Nexi is simulated."""
    settings.DEBUG = True
    change_settings(**names["NEXI_PAYMENTS"])


def test_guides_are_short() -> None:
    pages = sorted(GUIDES.glob("*.md"))
    assert len(pages) == 6
    for path in pages:
        assert len(path.read_text().splitlines()) <= 90, path


# -- card page, user model -----------------------------------------------------------


def test_the_hosted_page_shows_no_card_form(
    shopper: Shopper, change_settings: Any, settings: Any
) -> None:
    _, names = play(GUIDES / "card_page.md", shopper, change_settings)
    assert names["shows_card_form"] is True
    use(names, change_settings, settings)
    change_settings(SEALED_CARD_KEYS=[])
    assert conf.load().takes_cards is False
    assert flows.accepts_own_card_page(new_order()) is False


def test_names_of_ones_own_go_before_those_of_the_model(
    shopper: Shopper, change_settings: Any
) -> None:
    _, names = play(GUIDES / "user_model.md", shopper, change_settings)
    order = PaymentOrder.objects.get(pk=names["payment"].pk)
    assert (order.customer_name, order.customer_email, order.user) == (
        "Giulia Bianchi",
        "giulia@shop.example",
        get_user_model().objects.get(username="somebody"),
    )
    guest = shopper.browser.get(order.page_url())
    assert guest.status_code == 404
    shopper.browser.force_login(order.user)
    assert shopper.browser.get(order.page_url()).status_code == 200


# -- subscriptions -------------------------------------------------------------------


def test_a_subscription_counts_its_months_and_stops(
    shopper: Shopper, change_settings: Any, clock: Any
) -> None:
    _, names = play(GUIDES / "subscriptions.md", shopper, change_settings)
    subscription, request = names["subscription"], names["request"]
    names["subscribe"](request, subscription)
    payment = PaymentOrder.objects.get(reference="S-1001")
    shopper.browser.force_login(request.user)
    form = shopper.start(payment, agree="on")
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert (subscription.months, subscription.is_paused) == (1, False)

    clock.advance(timedelta(days=30).total_seconds())
    assert flows.charge_due().charged == 1
    assert PaymentOrder.objects.get(reference="S-1001/1").state == "paid"
    assert subscription.months == 2
    paid = PaymentOrder.objects.get(reference="S-1001/1")
    event = paid.events.get(kind="paid")
    names["extend"](PaymentOrder, paid, event=event)  # the same signal again
    assert subscription.months == 2

    with pytest.raises(ReferenceInUse):  # the old number is still taken
        flows.create_order(
            amount=Decimal("8.00"), currency="EUR", reference=subscription.number
        )
    event = payment.events.get(kind="contract_activated")
    names["ask_customer"](PaymentOrder, payment, event)
    assert subscription.is_paused is True


# -- several shops -------------------------------------------------------------------


def test_each_shop_has_its_terminal_and_its_references(
    shopper: Shopper, change_settings: Any, settings: Any
) -> None:
    _, names = play(GUIDES / "several_shops.md", shopper, change_settings)
    use(names, change_settings, settings)
    assert check_staff_rules() == []
    checkout = names["checkout"]
    for country in ("IT", "CH", "IT"):
        checkout(names["request"], country, names["order"])
    rows = PaymentOrder.objects.order_by("pk")
    assert [(o.reference, o.terminal, o.currency, o.state) for o in rows] == [
        ("IT-D-1001", "default", "EUR", "init"),
        ("CH-D-1001", "swiss", "CHF", "init"),
    ]


def test_without_the_country_two_shops_supersede_each_other(
    shopper: Shopper, change_settings: Any
) -> None:
    first = new_order(reference="1001")
    second = new_order(reference="1001", terminal="two")
    first.refresh_from_db()
    assert (first.state, first.reason) == ("failed", "superseded")
    assert shopper.pay(second).state == "paid"
    with pytest.raises(ReferenceInUse):
        new_order(reference="1001")


def test_another_secret_key_is_another_prefix(settings: Any) -> None:
    ours = conf.load().order_prefix
    settings.SECRET_KEY = "another one of fifty characters and a few more than that"
    assert len(ours) == 3
    assert conf.load().order_prefix != ours


# -- behind a proxy ------------------------------------------------------------------


def test_the_address_is_that_of_the_visitor(
    shopper: Shopper, change_settings: Any, settings: Any
) -> None:
    request = RequestFactory().get(
        "/", REMOTE_ADDR="10.0.0.5", HTTP_X_FORWARDED_FOR="203.0.113.9"
    )
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert "nexi_payments.W018" in {one.id for one in check_deployment()}
    assert get_client_ip(request) == "10.0.0.5"
    _, names = play(GUIDES / "proxy.md", shopper, change_settings)
    assert names["SECURE_PROXY_SSL_HEADER"] == settings.SECURE_PROXY_SSL_HEADER
    change_settings(**names["NEXI_PAYMENTS"])
    assert get_client_ip(request) == "203.0.113.9"
    assert "nexi_payments.W018" not in {one.id for one in check_deployment()}
    database = names["DATABASES"]["default"]
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert "OPTIONS" not in database


# -- symptoms ------------------------------------------------------------------------


def symptoms() -> str:
    return doc_pages.page_text("troubleshooting.md")


def test_a_changed_limit_leaves_the_others(
    shopper: Shopper, change_settings: Any
) -> None:
    path = doc_pages.DOCS / "troubleshooting.md"
    _, names = play(path, shopper, change_settings)
    default = conf_settings.Settings(terminals={}).rate_limits
    change_settings(**names["NEXI_PAYMENTS"])
    assert conf.load().rate_limits == {**default, "address": (100, 600)}
    for name in default:
        assert f"`{name}`" in symptoms(), name


def test_every_check_that_a_symptom_names_exists() -> None:
    source = "".join(path.read_text() for path in (PACKAGE / "checks").glob("*.py"))
    pages = [symptoms(), *(path.read_text() for path in GUIDES.glob("*.md"))]
    named = set(re.findall(r"\b([EW]\d{3})\b", "".join(pages)))
    assert len(named) >= 12
    for name in named:
        assert f"nexi_payments.{name}" in source, name


def test_what_the_doctor_is_said_to_say_is_what_it_says() -> None:
    table = symptoms().partition("exits 1")[2].partition("Exit code 2")[0]
    said = [
        text
        for cell in re.findall(r"^\| (.+?) \|", table, re.M)
        for text in re.findall(r"`([^`]+)`", cell)
    ]
    assert len(said) == 15
    source = "".join(
        path.read_text()
        for folder in ("doctor", "flows/ledger")
        for path in (PACKAGE / folder).glob("*.py")
    )
    texts = re.sub(r'"\s*\n\s*f?"', "", source)
    for text in said:
        if text.startswith("nexi_payments.E"):
            continue
        # a name and a value are put together
        assert all(part in texts for part in text.split(": ")), text


def test_the_log_lines_of_the_page_are_logged() -> None:
    source = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    for line in ("too many attempts by", "malformed return from 3-D Secure"):
        assert line in symptoms()
        assert line in source
    known = {code for _, code, _ in problem_details._EXCEPTION_PROBLEMS.values()}
    assert {"too_many_attempts", "card_blocked"} <= known


def test_an_unfinished_delivery_is_found(
    shopper: Shopper, change_settings: Any
) -> None:
    path = doc_pages.DOCS / "troubleshooting.md"
    _, names = play(path, shopper, change_settings)
    from nexi_payments.signals import payment_paid

    def fails(**kwargs: Any) -> None:
        raise LookupError

    payment_paid.connect(fails)
    order = shopper.pay(new_order())
    assert [event.kind for event in names["waiting"].all()] == ["paid"]
    payment_paid.disconnect(fails)
    assert order.state == "paid"
    assert doctor.exit_code(list(doctor.diagnose(contact_gateways=False))) == 1


# -- the glossary --------------------------------------------------------------------


def test_every_name_of_the_glossary_is_in_the_code() -> None:
    known = {*conf_settings._KEYS, *terminals.TERMINAL_KEYS, *get_commands()}
    rows = re.findall(
        r"^\| .* \| ([^|]*) \|$", doc_pages.page_text("glossary.md"), re.M
    )
    names = [name for cell in rows for name in re.findall(r"`([^`]+)`", cell)]
    assert len(names) >= 55
    for name in names:
        if name in known:
            continue
        module, _, path = name.partition(".")
        found: Any = importlib.import_module(f"nexi_payments.{module}")
        for part in path.split("."):
            assert hasattr(found, part), name
            found = getattr(found, part)


def test_every_term_of_the_glossary_has_one_row() -> None:
    text = doc_pages.page_text("glossary.md")
    terms = re.findall(r"^\| (?!term \||--)([^|]+) \|", text, re.M)
    assert len(terms) == len(set(terms))
    assert len(terms) == 44
