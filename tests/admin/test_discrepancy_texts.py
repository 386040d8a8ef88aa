"""Discrepancies in sentences, amounts in major units; what is unknown stays raw."""

from __future__ import annotations

import pytest
from django.utils import timezone

from nexi_payments.admin import discrepancy_texts
from nexi_payments.enums import DiscrepancyKind
from nexi_payments.models import Discrepancy, PaymentOrder
from tests.support.clerk import ORDERS_URL, Clerk, order_url


def of_order(kind: str, ours: str, theirs: str, currency: str = "EUR") -> Discrepancy:
    order = PaymentOrder(currency=currency)
    return Discrepancy(order=order, kind=kind, ours=ours, theirs=theirs)


@pytest.mark.parametrize("kind", DiscrepancyKind.values)
def test_each_kind_says_what_happened_and_what_to_do(kind: str) -> None:
    text = discrepancy_texts.describe(of_order(kind, "", ""))
    for sentence in (str(text.what), str(text.do)):
        assert sentence.endswith("."), kind
        for name in ("THREE_DS_HOSTS", "HOSTED_PAGE_HOSTS", "nexi_restore"):
            sentence = sentence.replace(name, "")
        assert "_" not in sentence
    assert text.what == discrepancy_texts.what_happened(kind) != kind


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("1250 EUR", "amount: AUTHORIZATION EXECUTED 1300 op-1",
         ("12.50 EUR", "payment 13.00 EUR: done")),
        ("refund 300 declined", "REFUND REFUNDED 300 op-1",
         ("refund 3.00 EUR: refused", "refund 3.00 EUR: refunded")),
        ("capture 300", "CAPTURE PENDING 300 474375090138531778",
         ("capture 3.00 EUR", "capture 3.00 EUR: pending")),
        ("no such operation", "CANCEL CANCELED 300 c-1",
         ("", "cancelled capture 3.00 EUR: cancelled")),
        ("", "AUTHORIZATION EXECUTED 1250 a-1, AUTHORIZATION AUTHORIZED 1250 a-2",
         ("", "payment 12.50 EUR: done, payment 12.50 EUR: authorized")),
        # a number that may be the id is no amount
        ("", "REFUND EXECUTED 123456", ("", "refund: done")),
        ("", "REFUND EXECUTED r-1", ("", "refund: done")),
        ("", "REFUND WORD_OF_2030 300 r-1", ("", "refund 3.00 EUR: WORD_OF_2030")),
        # texts without amounts, or of unknown form
        ("manual capture", "EXECUTED", ("", "")),
        ("PAB1 EUR", "orderId of REFUND r-1", ("", "")),
        ("refund once", "NEW_TYPE DONE 300 r-1", ("", "")),
        ("<b>x", "300", ("", "")),
    ],
)  # fmt: skip
def test_stored_texts_in_words(
    ours: str, theirs: str, expected: tuple[str, str]
) -> None:
    text = discrepancy_texts.describe(of_order("late_execution", ours, theirs))
    assert (text.ours, text.theirs) == expected


@pytest.mark.parametrize(
    ("currency", "amount"), [("JPY", "300 JPY"), ("KWD", "0.300 KWD")]
)
def test_digits_of_the_currency(currency: str, amount: str) -> None:
    record = of_order("made_at_nexi", "", "REFUND EXECUTED 300 r-1", currency)
    assert discrepancy_texts.describe(record).theirs == f"refund {amount}: done"


@pytest.mark.parametrize(
    ("total", "excess", "do"),
    [
        (500, "2.00 EUR", "If the total is right, accept it"),
        (100, "", "Nexi's total is less than what we know."),
        (None, "", "The total fits again since the last question."),
    ],
)
def test_what_to_do_about_a_total(total: int | None, excess: str, do: str) -> None:
    record = of_order("totals", "300", str(total))
    assert record.order is not None
    if total is not None:
        record.order.disputed_total, record.order.disputed_sum = total, 300
        record.order.disputed_since = timezone.now()
    text = discrepancy_texts.describe(record)
    assert do in str(text.do)
    assert (text.ours, text.excess) == ("3.00 EUR", excess)
    assert text.theirs == {500: "5.00 EUR", 100: "1.00 EUR", None: ""}[total]


def test_a_charge_without_a_payment_here() -> None:
    record = Discrepancy(
        kind="unknown_charge", ours="no such order", theirs="PABX7 1250 EUR"
    )
    text = discrepancy_texts.describe(record)
    assert (text.ours, text.theirs) == ("", "12.50 EUR PABX7")
    record.theirs = "PABX7 1250 XXX"
    assert discrepancy_texts.describe(record).theirs == ""


@pytest.mark.django_db(transaction=True)
def test_they_stand_on_both_pages(clerk: Clerk, paid: PaymentOrder) -> None:
    Discrepancy.objects.create(
        order=paid,
        kind=DiscrepancyKind.LATE_EXECUTION,
        ours="refund 300 declined",
        theirs="REFUND REFUNDED 300 op-1",
        created_at=timezone.now(),
    )
    for page in (
        clerk.get_text(order_url(paid)),
        clerk.get_text(ORDERS_URL + "review-queue/"),
    ):
        assert "Nexi executed late what we had taken for not executed." in page
        assert "If it was entered again meanwhile, money has moved twice" in page
        assert "Here: refund 3.00 EUR: refused" in page
        assert "At Nexi: refund 3.00 EUR: refunded" in page
        assert "<code>REFUND REFUNDED 300 op-1</code>" in page
