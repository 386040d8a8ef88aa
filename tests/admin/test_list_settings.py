"""What each member of staff keeps of the list: columns and filters."""

from __future__ import annotations

import re

import pytest

from nexi_payments.admin import list_settings
from nexi_payments.models import PaymentOrder
from nexi_payments.models.list_settings import ListSettings
from tests.support.clerk import ORDERS_URL, Clerk, follow_redirect
from tests.support.shopper import CARDS

pytestmark = pytest.mark.django_db(transaction=True)

USUAL = ["amount_display", "state_badge", "paid_with", "reference_and_attempts"]
USUAL += ["customer", "when"]


def columns(clerk: Clerk) -> list[str]:
    page = clerk.get_text(ORDERS_URL)
    found = re.findall(r'<th scope="col" class="(?:sortable )?column-(\w+)', page)
    return [one for one in found if one != "_checkbox"]


def test_the_usual_columns(clerk: Clerk, paid: PaymentOrder) -> None:
    assert columns(clerk) == USUAL
    assert not ListSettings.objects.exists()


def test_columns_are_of_one_user(
    clerk: Clerk, reader: Clerk, paid: PaymentOrder
) -> None:
    answer = clerk.post(
        ORDERS_URL + "columns/",
        column=["terminal", "refunded", "public_id", "state_badge"],
        query="state__exact=paid&q=giulia",
    )
    # back to the same rows; a search is not repeated in an address
    assert answer["Location"] == ORDERS_URL + "?state__exact=paid"
    # in the order of the list, whatever was posted, and none of ours that is secret
    chosen = ["amount_display", "state_badge", "refunded", "terminal"]
    assert columns(clerk) == chosen
    assert columns(reader) == USUAL
    assert paid.public_id not in clerk.get_text(ORDERS_URL)
    clerk.post(ORDERS_URL + "columns/", column=["terminal"], usual="1")
    assert columns(clerk) == USUAL


def test_a_filter_is_saved_used_and_removed(
    clerk: Clerk, reader: Clerk, paid: PaymentOrder
) -> None:
    assert "Save this filter as" not in clerk.get_text(ORDERS_URL)
    assert "Save this filter as" in clerk.get_text(ORDERS_URL, state__exact="paid")
    answer = clerk.post(
        ORDERS_URL + "filters/save/",
        name="Paid <today>",
        query="state__exact=paid&created=today&q=giulia&p=2",
    )
    page = follow_redirect(clerk, answer)
    query = "state__exact=paid&created=today"
    assert answer["Location"] == f"{ORDERS_URL}?{query}"
    link = (
        f'<a href="{ORDERS_URL}?{query.replace("&", "&amp;")}">Paid &lt;today&gt;</a>'
    )
    assert link in page
    assert link not in reader.get_text(ORDERS_URL)
    saved = ListSettings.objects.get(user=clerk.user)
    assert saved.filters == [{"name": "Paid <today>", "query": query}]
    clerk.post(ORDERS_URL + "filters/save/", name="Paid <today>", query="terminal=two")
    saved.refresh_from_db()
    assert saved.filters == [{"name": "Paid <today>", "query": "terminal=two"}]
    clerk.post(ORDERS_URL + "filters/remove/", name="Paid <today>")
    saved.refresh_from_db()
    assert saved.filters == []


def test_what_is_not_saved(clerk: Clerk, paid: PaymentOrder) -> None:
    number = CARDS["challenge"].number
    for name, query in (
        ("", "terminal=two"),
        ("x" * 41, "terminal=two"),
        ("A search", "q=giulia"),
        (number, "terminal=two"),
        ("A card", f"terminal={number}"),
    ):
        answer = clerk.post(ORDERS_URL + "filters/save/", name=name, query=query)
        assert answer.status_code == 302
        assert number not in clerk.get_text(ORDERS_URL)
    assert not ListSettings.objects.exists()


def test_there_is_an_end_of_filters(clerk: Clerk) -> None:
    for place in range(list_settings.MAX_FILTERS + 1):
        answer = clerk.post(
            ORDERS_URL + "filters/save/", name=f"F{place}", query="terminal=two"
        )
    assert "You have 20 filters. Remove one first." in follow_redirect(clerk, answer)
    saved = ListSettings.objects.get(user=clerk.user)
    assert [one["name"] for one in saved.filters] == [f"F{n}" for n in range(20)]


def test_nobody_else_may(gateway: object) -> None:
    stranger = Clerk(name="stranger")
    for path in ("columns/", "filters/save/", "filters/remove/"):
        answer = stranger.post(ORDERS_URL + path, name="x", query="terminal=two")
        assert answer.status_code == 403
    assert not ListSettings.objects.exists()
