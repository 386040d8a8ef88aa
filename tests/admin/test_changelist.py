"""The list of payments: columns, filters, search, and the CSV of it."""

from __future__ import annotations

import csv
import io
import logging
import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from nexi_payments import flows
from nexi_payments.admin import changelist, csv_export
from nexi_payments.models import PaymentOrder
from nexi_payments.models.audit import StaffAccess
from tests.support.clerk import ORDERS_URL, PERMISSIONS, Clerk, order_url
from tests.support.in_doubt import time_travel
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("every_currency"),
]


def test_the_columns(clerk: Clerk, paid: PaymentOrder) -> None:
    flows.refund(paid, Decimal("2.00"))
    page = clerk.get_text(ORDERS_URL)
    for word in (
        order_url(paid),
        "ORD-7",
        "12.50\u00a0EUR",
        "nexi-is-partially_refunded",
        "VISA\u00a0••••\u00a04549",
        "Giulia Bianchi",
    ):
        assert word in page, word
    assert CARDS["challenge"].number not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state__exact": "paid"}, {"A"}),
        ({"state__exact": "init"}, {"B", "C"}),
        ({"channel__exact": "moto"}, {"D"}),
        ({"terminal": "two"}, {"B"}),
        ({"currency": "CHF"}, {"C"}),
        ({"created": "today"}, {"A", "B", "C", "D", "E"}),
        ({"created": "yesterday"}, {"F"}),
        ({"created": "week"}, {"A", "B", "C", "D", "E", "F"}),
        ({"in_doubt": "yes"}, {"D"}),
        ({"refunded": "part"}, {"A"}),
        ({"refunded": "all"}, {"E"}),
        ({"refunded": "odd"}, {"A", "B", "C", "D", "E", "F"}),
        ({"state__exact": "init", "currency": "CHF"}, {"C"}),
    ],
)
def test_filters(
    clerk: Clerk, shopper: Shopper, query: dict[str, str], found: set[str]
) -> None:
    with time_travel(-86400):
        old = new_order(reference="F")
    PaymentOrder.objects.filter(pk=old.pk).update(state="failed", live_reference=None)
    flows.refund(shopper.pay(new_order(reference="A")), Decimal("1.00"))
    new_order(reference="B", terminal="two")
    new_order(reference="C", currency="CHF")
    Clerk("take_moto", name="desk").take_phone_order("pending_then_paid", reference="D")
    flows.refund(shopper.pay(new_order(reference="E")))
    rows = list(csv.reader(io.StringIO(csv_of(clerk, **query))))
    assert {row[2] for row in rows[1:]} == found
    page = clerk.get_text(ORDERS_URL, **query)
    listed = {
        one for one in "ABCDEF" if f'field-reference_and_attempts">{one}</td>' in page
    }
    assert listed == found


def csv_of(clerk: Clerk, **query: str) -> str:
    answer = clerk.get(ORDERS_URL + "export/", **query)
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]


def test_search_finds_by_each_kind_of_text(
    clerk: Clerk, paid: PaymentOrder, shopper: Shopper
) -> None:
    refund = flows.refund(paid, Decimal("1.00"))
    other = new_order(reference="XYZ")
    for text in (
        paid.order_id,
        "ORD-7",
        "ORD",
        paid.gateway_operation_id,
        refund.gateway_operation_id,
        "4549",
        "Giulia@example.com",
        "  giulia@EXAMPLE.com ",
        "ord-7",
    ):
        page = clerk.get_text(ORDERS_URL, q=text)
        assert paid.order_id in page, text
        assert other.order_id not in page, text
    for text in ("RD-7", "giulia", "nobody@example.com", "0000", "x" * 18, "%", "_"):
        assert paid.order_id not in clerk.get_text(ORDERS_URL, q=text), text


def test_a_stored_address_of_any_spelling_is_found(clerk: Clerk) -> None:
    order = new_order(customer={"email": "Giulia.Bianchi@Example.COM"})
    umlaut = new_order(customer={"email": "J@M\u00fcller.Example"})
    for text in ("giulia.bianchi@example.com", "GIULIA.BIANCHI@EXAMPLE.COM"):
        page = clerk.get_text(ORDERS_URL, q=text)
        assert order.order_id in page
        assert umlaut.order_id not in page
    assert umlaut.order_id in clerk.get_text(ORDERS_URL, q="j@m\u00fcller.example")
    PaymentOrder.objects.filter(pk=order.pk).update(customer_email="")
    page = clerk.get_text(ORDERS_URL, q="giulia.bianchi@example.com")
    assert order.order_id not in page  # erased with the address itself


def test_a_spreadsheet_knows_the_encoding(clerk: Clerk) -> None:
    new_order(customer={"name": "Zo\u00eb M\u00fcller"})
    answer = clerk.get(ORDERS_URL + "export/")
    raw = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert raw.startswith(b'\xef\xbb\xbf"created_at",')
    assert raw.count(b"\xef\xbb\xbf") == 1
    assert "Zo\u00eb M\u00fcller" in raw.decode()


def test_an_operation_at_nexi_is_found_whatever_its_digits(
    clerk: Clerk, paid: PaymentOrder
) -> None:
    made = "3567" + "47673437161845"  # eighteen of them, and Luhn-valid
    PaymentOrder.objects.filter(pk=paid.pk).update(gateway_operation_id=made)
    assert paid.order_id in clerk.get_text(ORDERS_URL, q=made)
    assert (
        clerk.post(ORDERS_URL + "search/", q=made)["Location"]
        == f"{ORDERS_URL}?q={made}"
    )


def test_the_search_is_posted_and_led_on(clerk: Clerk, paid: PaymentOrder) -> None:
    answer = clerk.post(ORDERS_URL + "search/?state__exact=paid", q=" ORD-7 ")
    assert answer["Location"] == ORDERS_URL + "?state__exact=paid&q=ORD-7"
    assert clerk.post(ORDERS_URL + "search/", q="")["Location"] == ORDERS_URL
    assert 'method="post"' in clerk.get_text(ORDERS_URL)


def test_a_card_number_in_the_search(
    clerk: Clerk, paid: PaymentOrder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    number = CARDS["challenge"].number
    spaced = " ".join(number[i : i + 4] for i in range(0, 16, 4))
    for text in (number, spaced, f"paid with {number}"):
        for answer in (
            clerk.post(ORDERS_URL + "search/", q=text),
            clerk.get(ORDERS_URL, q=text),
            clerk.get(ORDERS_URL + "export/", q=text),
        ):
            assert answer["Location"] == ORDERS_URL
        page = clerk.get_text(ORDERS_URL)
        assert "That looks like a card number." in page
        assert number not in page
        assert spaced not in page
    assert number not in caplog.text
    assert spaced not in caplog.text


def test_the_list_asks_little(clerk: Clerk, shopper: Shopper) -> None:
    for place in range(60):
        new_order(reference=f"N-{place}")
    clerk.get_text(ORDERS_URL)
    for query in ({}, {"q": "N-1"}, {"state__exact": "init"}, {"created": "today"}):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            clerk.get_text(ORDERS_URL, **query)
        statements = [one["sql"] for one in asked.captured_queries]
        ours = [one for one in statements if "nexi_payments_" in one]
        assert len(ours) <= 8, ours
        for one in statements:
            if "COUNT(" in one:  # to an end, or within a week
                assert "LIMIT 1000" in one or "settled_at < " in re.sub('["`]', "", one)
            assert "DISTINCT" not in one


def test_counting_stops(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in range(7):
        new_order(reference=f"N-{place}")
    monkeypatch.setattr(changelist, "MAX_ROWS", 5)
    page = clerk.get_text(ORDERS_URL)
    assert "The newest 5 are shown." in page
    assert len(csv_of(clerk).splitlines()) == 8


# -- CSV -----------------------------------------------------------------------------


def test_the_export_has_every_row_once(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_export, "PAGE_SIZE", 3)
    now = new_order(reference="N-0").created_at
    for place in range(1, 11):
        new_order(reference=f"N-{place}")
    # some share their moment, and fall on both sides of a page
    PaymentOrder.objects.filter(reference__in=["N-3", "N-4", "N-5", "N-6"]).update(
        created_at=now
    )
    rows = list(csv.reader(io.StringIO(csv_of(clerk))))
    assert tuple(rows[0]) == csv_export.ORDER_COLUMNS
    references = [row[2] for row in rows[1:]]
    assert len(references) == len(set(references)) == 11


def test_amounts_and_formulas(clerk: Clerk, paid: PaymentOrder) -> None:
    PaymentOrder.objects.filter(pk=paid.pk).update(
        customer_name="=HYPERLINK(1)", description='+39 "quoted", two'
    )
    row = next(csv.DictReader(io.StringIO(csv_of(clerk))))
    assert (row["amount"], row["captured_amount"]) == ("12.50", "12.50")
    assert row["customer_name"] == "'=HYPERLINK(1)"
    assert row["description"] == '\'+39 "quoted", two'
    assert row["card_last4"] == "4549"


def test_excel_opens_it(clerk: Clerk, paid: PaymentOrder) -> None:
    """A byte order mark first; semicolons and decimal commas where they are wanted."""
    PaymentOrder.objects.filter(pk=paid.pk).update(
        customer_name="Γιώργος", description="a;b. c"
    )
    raw = b"".join(clerk.get(ORDERS_URL + "export/").streaming_content)  # type: ignore[attr-defined]
    assert raw.startswith(b'\xef\xbb\xbf"created_at","order_id",')
    assert "Γιώργος" in raw.decode()
    answer = clerk.get(ORDERS_URL + "export/semicolons/", state__exact="paid")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    row = next(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert (row["amount"], row["refunded_amount"]) == ("12,50", "0,00")
    assert row["description"] == "a;b. c"
    assert row["created_at"].count(".") == 0


def test_ticked_rows_are_exported(clerk: Clerk, paid: PaymentOrder) -> None:
    new_order(reference="B")
    third = new_order(reference="C")
    fields = {"index": "0", "_selected_action": [paid.pk, third.pk]}
    for action, delimiter in (
        ("export_selected", ","),
        ("export_selected_semicolons", ";"),
    ):
        answer = clerk.post(ORDERS_URL, **fields, action=action)
        text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
        assert [row["reference"] for row in rows] == ["C", "ORD-7"]
        access = StaffAccess.objects.filter(kind="exported").latest("pk")
        assert access.note == f"selected: {third.pk} {paid.pk}"
    # only to look: no other action is there
    page = clerk.get_text(ORDERS_URL)
    assert re.findall(r'<option value="(\w+)">', page.partition("</select>")[0]) == [
        "export_selected",
        "export_selected_semicolons",
    ]
    stranger = Clerk("take_moto", name="stranger")
    assert (
        stranger.post(ORDERS_URL, **fields, action="export_selected").status_code == 403
    )


def test_on_an_admin_site_of_another_name(paid: PaymentOrder, settings: Any) -> None:
    """Links lead to the site that one is on; a plain admin beside ours is untouched."""
    settings.ROOT_URLCONF = "tests.support.urls_two_admins"
    clerk = Clerk(*PERMISSIONS)
    page = clerk.get_text(ORDERS_URL.replace("/admin/", "/office/"))
    assert "/office/nexi_payments/paymentorder/review-queue/" in page
    assert "Verify a card" not in page  # that site has no page for it
    page = clerk.get_text(order_url(paid).replace("/admin/", "/office/"))
    assert f"/office/nexi_payments/paymentorder/{paid.pk}/refund/" in page
    for path in ("moto/", "review-queue/", "daily-report/"):
        page = clerk.get_text(f"/office/nexi_payments/paymentorder/{path}")
        assert 'href="/admin/' not in page
    assert paid.order_id in clerk.get_text("/plain/nexi_payments/paymentorder/")
    verify = "/cards/nexi_payments/cardverification/verify/"
    for path in ("cardverification/", "contract/"):
        assert f'href="{verify}"' in clerk.get_text(f"/cards/nexi_payments/{path}")
    card = CARDS["challenge"]
    answer = clerk.post(
        verify,
        cardholder_name="Giulia Bianchi",
        card_number=card.number,
        expiry=card.expiry,
        security_code=card.cvv,
        currency="EUR",
    )
    page = clerk.get_text(answer["Location"])
    assert f'href="{verify}"' in page
    assert 'href="/admin/' not in page + clerk.get_text(verify)
