"""Each snippet of the pages runs: Python in order, a page in one namespace, against the
simulator; commands are looked up."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import get_commands
from django.template import engines

from nexi_payments import conf, flows, signals
from nexi_payments.card import Card
from nexi_payments.checks.hooks import check_hooks
from nexi_payments.checks.staff_rules import check_staff_rules
from nexi_payments.exceptions import ShopOrderDiffers, ShopOrderUnknown
from nexi_payments.models import Event, PaymentOrder
from tests.docs.snippet_page import SnippetPage
from tests.support import doc_pages
from tests.support.shopper import CARDS, Shopper, new_order

ROOT = doc_pages.ROOT
WITH_PYTHON = [
    path
    for path in doc_pages.pages()
    if any(block.language == "python" for block in doc_pages.blocks(path))
]
DEMO_COMMANDS = {"demo"}


def play(
    path: Path, shopper: Shopper, change_settings: Any
) -> tuple[SnippetPage, dict[str, Any]]:
    """Runs the Python of a page, block after block."""
    stage = SnippetPage(str(path.relative_to(ROOT)), shopper, change_settings)
    names = stage.names()
    with mock.patch.dict(sys.modules, stage.modules(names)):
        for block in doc_pages.blocks(path):
            if block.language == "python":
                stage.prepare_block(block.source, names)
                # as many lines above it as in the page: an error names the right one
                source = "\n" * (block.line - 1) + block.source
                exec(compile(source, str(path), "exec"), names)
    return stage, names


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("nobody_else_listens")
@pytest.mark.parametrize("path", WITH_PYTHON, ids=lambda path: path.name)
def test_python_runs(path: Path, shopper: Shopper, change_settings: Any) -> None:
    play(path, shopper, change_settings)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("nobody_else_listens")
def test_a_signal_that_comes_twice_ships_once(
    shopper: Shopper, change_settings: Any
) -> None:
    stage, names = play(doc_pages.DOCS / "signals.md", shopper, change_settings)
    order = shopper.pay(stage.shop_order(names))
    event = order.events.get(kind="paid")
    signals.payment_paid.send(sender=type(order), order=order, event=event)
    assert stage.printed == ["D-1001"]
    assert names["Parcel"].rows == [{"event": event.pk, "number": "D-1001"}]
    stage.refund(order)
    refund = Event.objects.get(kind="refunded", order=order)
    credit = {"event": refund.pk, "minor": 200, "currency": "EUR"}
    assert names["Credit"].rows == [credit]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("nobody_else_listens", "every_currency")
@pytest.mark.parametrize("page", ["quickstart.md", "signals.md"])
@pytest.mark.parametrize(
    ("amount", "currency", "reference"),
    [
        ("12.50", "HUF", "D-1002"),
        ("12.500", "KWD", "D-1002"),
        ("2.50", "EUR", "D-1002"),
        ("12.50", "EUR", "T-1"),
    ],
)
def test_another_sum_by_telephone_ships_nothing(
    shopper: Shopper,
    change_settings: Any,
    page: str,
    amount: str,
    currency: str,
    reference: str,
) -> None:
    stage, names = play(doc_pages.DOCS / page, shopper, change_settings)
    names["Parcel"].rows.clear()
    stage.printed.clear()
    bought = names["shop_order"]
    bought.number = "D-1002"
    card = CARDS["challenge"]

    def pay(amount: str, currency: str, reference: str) -> None:
        flows.pay_moto(
            new_order(
                amount=Decimal(amount),
                currency=currency,
                reference=reference,
                terminal="moto",
            ),
            Card(card.number, card.expiry.replace("/", ""), card.cvv),
            cardholder="Giulia Bianchi",
            allow_duplicate=True,
        )

    pay(amount, currency, reference)
    assert PaymentOrder.objects.get(reference=reference).state == "paid"
    assert (names["Parcel"].rows, stage.printed) == ([], [])
    bought.number = "D-1003"
    pay("12.50", "EUR", "D-1003")
    assert [row["number"] for row in names["Parcel"].rows] == ["D-1003"]


@pytest.mark.django_db(transaction=True)
def test_the_rules_for_staff_are_read(shopper: Shopper, change_settings: Any) -> None:
    _, names = play(doc_pages.DOCS / "security.md", shopper, change_settings)
    change_settings(**names["NEXI_PAYMENTS"])
    assert check_staff_rules() == []
    refunds = conf.current().approval_ceilings["refund_payment"]
    assert refunds["*"] == {"EUR": 100_00}
    assert set(conf.current().terminal_rights) == {"Milan", "Bookkeeping"}


@pytest.mark.django_db(transaction=True)
def test_the_hooks_of_the_page_decide(
    shopper: Shopper, change_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, names = play(doc_pages.DOCS / "hooks.md", shopper, change_settings)
    module = ModuleType("yourshop.payments")
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, "yourshop", ModuleType("yourshop"))
    monkeypatch.setitem(sys.modules, "yourshop.payments", module)
    change_settings(**names["NEXI_PAYMENTS"], REFERENCE_LOOKUP_STRICT=True)
    assert check_hooks() == []
    assert [key[:15] for key in conf.sealed_card_keys()] == [b"sealed-card-key"] * 2
    assert shopper.pay(new_order(reference="D-1001")).state == "paid"
    for facts, sentence in (
        ({"reference": "D-1002"}, "This order was cancelled."),
        (
            {"reference": "D-1001", "amount": Decimal("2.50"), "terminal": "two"},
            "Your order has changed. Please check out again.",
        ),
    ):
        PaymentOrder.objects.all().update(live_reference=None, state="failed")
        order = shopper.pay(new_order(**facts))
        assert (order.reason, order.veto_sentence) == ("vetoed", sentence)
    decide = names["may_be_charged"]
    for is_paused, answer in ((False, None), (True, "This subscription is paused.")):
        subscription = SimpleNamespace(is_paused=is_paused)
        month = SimpleNamespace(channel="mit", content_object=subscription)
        assert decide(month) == answer
    facts = {"terminal": "moto", "currency": "EUR", "actor": flows.Actor()}
    for reference, amount, error in (
        ("D-1002", "12.50", ShopOrderUnknown),
        ("D-1001", "2.50", ShopOrderDiffers),
    ):
        with pytest.raises(error):
            flows.create_moto_order(
                reference=reference, amount=Decimal(amount), **facts
            )
    order = flows.create_moto_order(
        reference="D-1001", amount=Decimal("12.50"), **facts
    )
    assert (order.description, order.customer_name) == (
        "Three cups",
        "Giulia Bianchi",
    )


def test_what_is_typed_for_oscar_is_what_is_bought_from() -> None:
    """Oscar is not here; ``make bridges`` runs the host that has these files."""
    blocks = doc_pages.blocks(doc_pages.DOCS / "integrations.md")
    typed = [one.source for one in blocks if one.language in ("py", "html")]
    views, urls, page = (source.partition("\n")[2].strip() for source in typed[:3])
    host = ROOT / "tests/integrations/oscar_shop"
    assert views == (host / "checkout/views.py").read_text().strip()
    at = "templates/oscar/customer/anon_order.html"
    assert page == (host / at).read_text().strip()
    names = urls.replace("yourshop", "tests.integrations.oscar_shop")
    for line in names.replace("urlpatterns += [", "urlpatterns = [").splitlines():
        assert line in (host / "urls.py").read_text().splitlines()


# -- what is named in shell blocks and in the text -----------------------------------


def everything() -> str:
    return "\n".join(path.read_text() for path in doc_pages.pages())


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z-]+)", everything()))
    for path in doc_pages.pages():
        for block in doc_pages.blocks(path):
            if block.language == "sh":
                named |= set(re.findall(r"^make ([a-z-]+)", block.source, re.M))
    assert len(named) > 8
    assert named <= targets, named - targets


def test_every_command_that_is_named_exists() -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", everything()))
    named |= set(re.findall(r"`(nexi_(?!payments)[a-z]+)[ `]", everything()))
    # the commands of an app that only shops with the API have, names of throttles and
    # of a template
    known = set(get_commands()) | DEMO_COMMANDS | {"spectacular", "oscar_fork_app"}
    known |= {"nexi_card", "nexi_checkout", "nexi_link", "nexi_moto"}
    known |= {"nexi_server", "nexi_verify", "nexi_auth"}
    assert named <= known, named - known


def test_every_option_of_our_commands_that_is_named_exists() -> None:
    import tables

    known = {
        name: set(re.findall(r"`(--[a-z-]+)`", tables._command(name)))
        for name in tables.command_names()
    }
    for name, options in re.findall(r"\b(nexi_[a-z]+)((?: --[a-z-]+)+)", everything()):
        assert set(options.split()) <= known[name], (name, options)


def test_templates_in_the_pages_compile() -> None:
    for path in doc_pages.pages():
        for block in doc_pages.blocks(path):
            if block.language == "html":
                engines["django"].from_string(block.source)


def test_every_link_of_the_top_level_pages_leads_somewhere() -> None:
    for path in ROOT.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", path.read_text()):
            assert (path.parent / target).exists(), (path.name, target)


def test_every_file_that_is_named_exists() -> None:
    for path in doc_pages.pages():
        for name in re.findall(
            r"`((?:tests|docs(?!/_build)|demo_shop|\.ci)/[\w./-]+)`", path.read_text()
        ):
            assert (ROOT / name).exists(), (path.name, name)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("nobody_else_listens")
@pytest.mark.parametrize("key", ["", "k-1"], ids=["no key", "a key"])
@pytest.mark.parametrize(
    "page",
    ["docs/quickstart.md", "docs/settings.md", "docs/production.md"],
)
def test_settings_that_are_shown_are_accepted(
    page: str,
    key: str,
    shopper: Shopper,
    change_settings: Any,
    settings: Any,
    monkeypatch: Any,
) -> None:
    hold_key = settings.NEXI_PAYMENTS["SEALED_CARD_KEYS"][0]
    for name in ("NEXI_API_KEY", "NEXI_MOTO_API_KEY"):
        monkeypatch.setenv(name, key)
    monkeypatch.setenv("NEXI_SEALED_CARD_KEYS", hold_key)
    _, names = play(ROOT / page, shopper, change_settings)
    shown = dict(names["NEXI_PAYMENTS"])
    if shown.get("SEALED_CARD_KEYS") == ["…"]:
        shown["SEALED_CARD_KEYS"] = [hold_key]
        shown["TERMINALS"]["default"]["API_KEY"] = "k-1"
    settings.DEBUG = True
    settings.NEXI_PAYMENTS = shown
    if page == "docs/settings.md" and not key:
        with pytest.raises(ImproperlyConfigured, match="needs an API_KEY"):
            conf.load()
        return
    terminal = conf.load().terminal("default")
    expected = {"docs/settings.md": "production", "docs/production.md": "sandbox"}
    assert terminal.environment == expected.get(page, "sandbox" if key else "simulator")
