"""Every place where people or API clients write refuses the same card numbers, and
takes the same innocents. ``tests/pan_scanner`` tests the rule itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin import site
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.http import QueryDict
from django.test import RequestFactory

from demo_shop.forms import CheckoutForm
from nexi_payments import customers, flows
from nexi_payments.admin import forms
from nexi_payments.api import idempotency
from nexi_payments.card import Card
from nexi_payments.card_extraction import body
from nexi_payments.card_extraction.submission import RawBody
from nexi_payments.exceptions import CardDataNotAllowed
from nexi_payments.gateway import responses
from nexi_payments.models import (
    CardVerification,
    Contract,
    CustomerDetails,
    PaymentOrder,
)
from nexi_payments.pan_scanner import MAX_TEXT_LENGTH, Scan, joined_digits
from nexi_payments.simulator import Simulator
from nexi_payments.testing import CardDataScan
from nexi_payments.text_input import has_control_characters, one_line
from nexi_payments.web import card_form
from nexi_payments.web.client_info import get_request_id
from tests.doctor.test_doctor import a_shop_that_runs, ask  # noqa: F401
from tests.support.clerk import ORDERS_URL, PERMISSIONS, Clerk
from tests.support.pan_corpus import WITH_CARD_NUMBER, WITHOUT_CARD_NUMBER
from tests.support.shopper import CARDS, new_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

PAN = CARDS["challenge"].number
BAD = [entry.text for entry in WITH_CARD_NUMBER.texts]
GOOD = [entry.text for entry in WITHOUT_CARD_NUMBER.texts]
LONG = [text for text in GOOD if sum(map(str.isalnum, text)) > 4]
TODAY = date(2026, 11, 30)


def card() -> Card:
    return Card(PAN, "1230", "396")


# -- flows ---------------------------------------------------------------------------


def _contract(**terms: str) -> Any:
    return {"contract": flows.ContractTerms(**terms)}


FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "reference": lambda text: {"reference": text},
    "description": lambda text: {"description": text},
    "customer name": lambda text: {"customer": {"name": text}},
    "customer email": lambda text: {"customer": {"email": text}},
    "a member of customer": lambda text: {"customer": {text: "x"}},
    "the contract's description": lambda text: _contract(description=text),
}


@pytest.mark.parametrize("field", FIELDS)
def test_an_order_is_refused_and_nothing_is_written(field: str) -> None:
    said = {}
    for text in BAD:
        with pytest.raises(CardDataNotAllowed) as caught:
            new_order(**FIELDS[field](text))
        said[str(caught.value)] = text
    assert len(said) == 1
    assert not re.search("[0-9]", *said)
    assert not PaymentOrder.objects.exists()
    assert not Contract.objects.exists()


@pytest.mark.parametrize("field", ["reference", "description", "customer name"])
def test_an_order_with_an_innocent_text_is_made(field: str) -> None:
    texts = [text for text in GOOD if text.strip() and len(text) <= 100]
    if field != "description":  # which is put into one line
        texts = [text for text in texts if not has_control_characters(text)]
    for text in texts:
        new_order(**FIELDS[field](text))
    column = field.replace(" ", "_")
    kept = set(PaymentOrder.objects.values_list(column, flat=True))
    assert kept == {one_line(text) for text in texts}


@pytest.mark.parametrize("name", ["success_url", "failure_url"])
def test_an_address_is_refused_however_it_is_encoded(name: str) -> None:
    for address in WITH_CARD_NUMBER.addresses:
        with pytest.raises(CardDataNotAllowed) as caught:
            new_order(**{name: address})
        assert "4549" not in str(caught.value)
    assert not PaymentOrder.objects.exists()
    for address in WITHOUT_CARD_NUMBER.addresses:
        assert getattr(new_order(**{name: address}), name) == address


def test_a_long_description_is_cut_as_ever_and_its_start_is_read() -> None:
    assert new_order(description="x" * 100_000).description == "x" * 255
    with pytest.raises(CardDataNotAllowed):
        new_order(description=f"{'x ' * 120}{PAN}")  # fifteen digits would be kept


@pytest.mark.parametrize("text", [PAN, "4349/9401/9900/4549", "\uff14" + PAN[1:]])
def test_a_cardholder_is_refused_before_anything_is_sent(
    gateway: Simulator, text: str
) -> None:
    order, by_phone = new_order(), new_order(terminal="moto")
    for attempt in (
        lambda: flows.start_payment(order, card(), cardholder=text),
        lambda: flows.pay_moto(by_phone, card(), cardholder=text),
        lambda: flows.verify_card(card(), cardholder=text),
    ):
        with pytest.raises(CardDataNotAllowed, match=r"^cardholder seems to contain"):
            attempt()
    assert gateway.calls == ()
    assert not CardVerification.objects.exists()
    for row in (order, by_phone):
        row.refresh_from_db()
        assert (row.state, row.cardholder_name, row.card_last4) == ("init", "", "")


def test_what_the_bank_is_told_leaves_them_out() -> None:
    for text in BAD:
        told = customers.build_customer_info(
            {"billing_address": {"street": text}, "risk": {"delivery_email": text}},
            TODAY,
        )
        assert told.members == {}
        assert [name for name, why in told.omitted] == [
            "billing_address.street",
            "risk.delivery_email",
        ]
    # others are refused as script, or as what they are when blanks are taken together
    passing = [one for one in GOOD if one.strip() and not re.search("<|     ", one)]
    for text in passing:
        told = customers.build_customer_info(
            {"billing_address": {"street": text}}, TODAY
        )
        assert told.omitted == [], text


def test_a_warning_of_the_gateway_is_kept_without_card_numbers() -> None:
    assert responses.parse_operation({"warnings": BAD}).warnings == ()
    kept = responses.parse_operation(
        {"warnings": ["TRA-1", *BAD, {"code": "003"}]}
    ).warnings
    assert kept == ("TRA-1", "003")


# -- forms ---------------------------------------------------------------------------

ORDER = {"amount": "12.50", "currency": "EUR", "reference": "R-1"}
TYPED: dict[str, tuple[Callable[[dict[str, str]], Any], dict[str, str]]] = {
    "cardholder_name": (card_form.CardForm, {}),
    "reference": (forms.PhoneOrderForm, ORDER),
    "description": (forms.PhoneOrderForm, ORDER),
    "customer_name": (forms.PhoneOrderForm, ORDER),
    "customer_email": (forms.PhoneOrderForm, ORDER),
    "reason": (
        lambda data: forms.ResolveForm(data, choices=[("paid", "Paid")]),
        {"state": "paid"},
    ),
    "name": (CheckoutForm, {"email": "a@b.example"}),
    "street": (CheckoutForm, {"name": "A", "email": "a@b.example"}),
    "city": (CheckoutForm, {"name": "A", "email": "a@b.example"}),
}


@pytest.mark.parametrize("name", TYPED)
def test_a_form_refuses_the_field_and_does_not_show_it_again(name: str) -> None:
    make, others = TYPED[name]
    for text in BAD:
        form = make({**others, name: text})
        form.is_valid()
        assert name in form.errors, ascii(text)
        assert name not in form.cleaned_data
        if name != "cardholder_name":  # emptied with the request: the intake
            assert form[name].value() == "", ascii(text)


@pytest.mark.parametrize("name", ["cardholder_name", "description", "reason", "name"])
def test_a_form_takes_innocents(name: str) -> None:
    make, others = TYPED[name]
    for text in (one for one in GOOD if one.strip()):
        if has_control_characters(text) and name != "name":
            continue  # refused for that; "name" is a form of the demo
        form = make({**others, name: text})
        form.is_valid()
        assert name not in form.errors, ascii(text)


def test_an_email_with_a_card_number_is_no_address_in_the_demo() -> None:
    form = CheckoutForm({"name": "A", "email": f"{PAN}@shop.example"})
    assert form.errors["email"] == [
        "Is this a card number? The card is asked for on the next page."
    ]
    assert form["email"].value() == ""


def test_the_intake_leaves_nothing_that_holds_one() -> None:
    fields = {f"field{place}": text for place, text in enumerate(BAD)}
    kept = {f"other{place}": text for place, text in enumerate(LONG)}
    raw = RawBody(urlencode({**fields, **kept, "card_number": "x"}).encode())
    posted, content, rest = body.split_form(raw)
    assert {name: rest[name] for name in fields} == dict.fromkeys(fields, "")
    assert {name: rest[name] for name in kept} == kept
    assert rest["card_number"] == ""
    assert QueryDict(content) == rest
    assert posted["card_number"] == "x"


def test_the_intake_does_not_read_what_is_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    real = Scan.first

    def first(scan: Scan, text: str) -> str:
        read.append(len(text))
        return real(scan, text)

    monkeypatch.setattr(Scan, "first", first)
    raw = RawBody(urlencode({"a": "1 " * MAX_TEXT_LENGTH, "b": "not short"}).encode())
    rest = body.split_form(raw)[2]
    assert (rest["a"], rest["b"]) == ("", "not short")
    assert max(read) == len("not short")


# -- the API -------------------------------------------------------------------------

PRINTABLE = re.compile(r"[!-~]{8,255}")


def test_keys_of_the_api() -> None:
    assert [text for text in BAD if idempotency._is_valid(text)] == []
    fitting = [text for text in GOOD if PRINTABLE.fullmatch(text)]
    assert len(fitting) > 100
    assert [text for text in fitting if not idempotency._is_valid(text)] == []


# -- ids of requests, search, scans --------------------------------------------------


def test_request_ids() -> None:
    shape = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}")
    seen = {True: 0, False: 0}
    for good, texts in ((False, BAD), (True, GOOD)):
        for text in filter(shape.fullmatch, texts):
            request = RequestFactory().get("/", headers={"X-Request-ID": text})
            assert get_request_id(request) == (text if good else ""), text
            seen[good] += 1
    assert min(seen.values()) > 30


def test_the_search_of_staff(caplog: pytest.LogCaptureFixture) -> None:
    clerk = Clerk(*PERMISSIONS)
    caplog.set_level(logging.DEBUG)
    for text in BAD:
        answer = clerk.post(ORDERS_URL + "search/", q=text)
        assert answer["Location"] == ORDERS_URL, ascii(text)
    assert PAN not in joined_digits(caplog.text)
    for text in (one.strip() for one in GOOD if one.strip()):
        answer = clerk.post(ORDERS_URL + "search/", q=text)
        assert answer["Location"].startswith(f"{ORDERS_URL}?q="), ascii(text)


def test_a_search_that_comes_another_way_finds_nothing(
    rf: RequestFactory, caplog: pytest.LogCaptureFixture
) -> None:
    new_order()
    PaymentOrder.objects.update(reference=PAN)
    admin: Any = site._registry[PaymentOrder]
    everything = PaymentOrder.objects.all()
    caplog.set_level(logging.DEBUG)
    rows, _ = admin.get_search_results(rf.get("/"), everything, PAN)
    assert list(rows) == []
    assert PAN not in caplog.text


def test_the_doctor_finds_every_disguise(capsys: Any) -> None:
    new_order(customer={"billing_address": {"street": "Via Verdi 3"}})
    order = PaymentOrder.objects.get()
    details = CustomerDetails.objects.get()
    for texts, found in ((BAD, True), (GOOD, False)):
        told = {str(place): text for place, text in enumerate(texts)}
        for place in range(0, len(texts), 60):
            part = dict(list(told.items())[place : place + 60])
            CustomerDetails.objects.filter(pk=details.pk).update(customer_info=part)
            code, said = ask(capsys, "--offline", "--scan")
            assert (code, "1 card numbers" in said) == (
                (1, True) if found else (0, False)
            )
    for digits in (0x660, 0xFF10):
        name = PAN.translate({48 + one: digits + one for one in range(10)})
        CustomerDetails.objects.update(customer_info={"name": name})
        assert "card number ••••4549 in" in ask(capsys, "--offline", "--scan")[1]
    order.refresh_from_db()
    assert order.customer_name == ""


@pytest.mark.parametrize(
    "written",
    [
        "4349/9401/9900/4549",
        "4349    9401    9900    4549",
        "4349\u200b9401\u200b9900\u200b4549",
        "".join(chr(0x660 + int(digit)) for digit in PAN),
    ],
)
def test_the_scan_for_shops_knows_a_card_in_disguise(written: str) -> None:
    connection.close()  # empties the write-ahead log of what others have stored
    new_order()
    with CardDataScan(PAN) as leaks:
        assert leaks.findings() == []
        PaymentOrder.objects.update(description=written)
        logging.getLogger("shop").info("paid with %s", written)
        mail.EmailMessage("Hi", "x", "a@b.example", ["c@d.example"]).send()
        cache.set("card", written)
        found = leaks.findings()
    cache.clear()
    table = PaymentOrder._meta.db_table
    assert {f"table {table}: …4549", "logs: …4549", "cache default: …4549"} <= {*found}
    assert "emails: …4549" not in found


def test_amounts_are_no_codes_of_a_card() -> None:
    """A security code is a few digits: what stands between them is not taken out. No
    row is numbered 0739."""
    with CardDataScan("0739") as leaks:
        logging.getLogger("shop").info("0, 7, 3, 9 and 12.07.39")
        assert leaks.findings() == []


def test_a_charge_on_file_looks_at_its_texts() -> None:
    with pytest.raises(CardDataNotAllowed, match=r"^customer_id seems to contain"):
        flows.contracts_at_nexi("4349_9401_9900_4549")
    with pytest.raises(CardDataNotAllowed, match=r"^customer_id seems to contain"):
        new_order(amount=Decimal(1), **_contract(customer_id="4349/9401/9900/4549"))
    assert not Contract.objects.exists()
