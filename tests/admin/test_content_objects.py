"""What a payment is for: its link on the payment's page, and the filter of the list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from nexi_payments.models import PaymentOrder
from tests.support.clerk import ORDERS_URL, Clerk, order_url
from tests.support.shopper import new_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

NAME = "Basket of <Giulia>"


@pytest.fixture
def basket(db: None) -> Group:
    """An object of the shop that is in the admin."""
    return Group.objects.create(name=NAME)


def allow(clerk: Clerk, codename: str) -> None:
    wanted = Permission.objects.get(codename=codename, content_type__app_label="auth")
    clerk.user.user_permissions.add(wanted)


def row(page: str) -> str:
    """The table row that says what the payment is for; "" without one."""
    found = re.search(r'<th scope="row">Payment for</th><td>(.*?)</td>', page)
    return found[1] if found else ""


def others(kind: str, key: object) -> str:
    address = f"{ORDERS_URL}?object={kind}%3A{key}"
    return f' · <a href="{address}">all its payments</a>'


def test_who_may_view_it_gets_a_link(reader: Clerk, basket: Group) -> None:
    order = new_order(content_object=basket)
    more = others("auth.group", basket.pk)
    assert row(reader.get_text(order_url(order))) == f"group {basket.pk}{more}"
    allow(reader, "view_group")
    link = (
        f'<a href="/admin/auth/group/{basket.pk}/change/">'
        "group Basket of &lt;Giulia&gt;</a>"
    )
    assert row(reader.get_text(order_url(order))) == link + more
    assert reader.get(f"/admin/auth/group/{basket.pk}/change/").status_code == 200


def test_a_payment_for_nothing(reader: Clerk, basket: Group) -> None:
    assert row(reader.get_text(order_url(new_order()))) == ""


def test_it_is_not_in_this_admin(clerk: Clerk) -> None:
    thing = Permission.objects.get(codename="view_group")
    page = clerk.get_text(order_url(new_order(content_object=thing)))
    expected = f"permission {thing.pk}{others('auth.permission', thing.pk)}"
    assert row(page) == expected


@pytest.mark.parametrize("key", ["gone", "7000", ""])
def test_it_is_gone(reader: Clerk, basket: Group, key: str) -> None:
    order = new_order(content_object=basket)
    allow(reader, "view_group")
    PaymentOrder.objects.filter(pk=order.pk).update(object_id=key)
    shown = row(reader.get_text(order_url(order)))
    assert shown == (f"group {key}{others('auth.group', key)}" if key else "")


def test_its_app_is_gone(reader: Clerk) -> None:
    order = new_order()
    kind = ContentType.objects.create(app_label="oldshop", model="basket")
    rows = PaymentOrder.objects.filter(pk=order.pk)
    rows.update(content_type=kind, object_id="7")
    page = reader.get_text(order_url(order))
    assert row(page) == f"basket 7{others('oldshop.basket', 7)}"
    page = reader.get_text(ORDERS_URL, object="oldshop.basket:7")
    assert order.order_id in page


class Broken(ModelAdmin):  # type: ignore[type-arg]
    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        if obj is None:
            return True
        raise ZeroDivisionError


@contextmanager
def registered(model: Any, page: Any) -> Iterator[None]:
    """In the admin, with another page, or with one that has no address."""
    pages = admin.site._registry
    before = pages.get(model)
    pages[model] = page(model, admin.site)
    try:
        yield
    finally:
        del pages[model]
        if before is not None:
            pages[model] = before


def test_an_admin_that_raises(
    clerk: Clerk, basket: Group, caplog: pytest.LogCaptureFixture
) -> None:
    order = new_order(content_object=basket)
    with registered(Group, Broken):
        page = clerk.get_text(order_url(order))
    assert row(page) == f"group {basket.pk}{others('auth.group', basket.pk)}"
    assert "group is not shown: ZeroDivisionError" in caplog.messages


def test_an_admin_without_the_page(
    clerk: Clerk, caplog: pytest.LogCaptureFixture
) -> None:
    thing = Permission.objects.get(codename="view_group")
    order = new_order(content_object=thing)
    allow(clerk, "view_permission")
    clerk.get_text(ORDERS_URL)  # the addresses are made
    with registered(Permission, ModelAdmin):
        page = clerk.get_text(order_url(order))
    expected = f"permission {thing.pk}{others('auth.permission', thing.pk)}"
    assert row(page) == expected
    assert caplog.messages == []


def found(clerk: Clerk, **query: str) -> set[str]:
    page = clerk.get_text(ORDERS_URL, **query)
    return set(re.findall(r"R-\d", page))


def test_the_list_of_its_payments(reader: Clerk, basket: Group) -> None:
    other = Group.objects.create(name="other")
    for number, paid_for in enumerate((basket, basket, other, None), 1):
        new_order(reference=f"R-{number}", content_object=paid_for)
    assert found(reader, object=f"auth.group:{basket.pk}") == {"R-1", "R-2"}
    assert found(reader, object=f"Auth.Group:{other.pk}") == {"R-3"}
    assert found(reader, object=f"auth.user:{basket.pk}") == set()
    assert found(reader, object=f"auth.nothing:{basket.pk}") == set()
    for odd in ("auth.group", "auth.group:", ":", "x", "auth"):
        assert found(reader, object=odd) == set(), odd
    assert found(reader, object="") == {"R-1", "R-2", "R-3", "R-4"}
    assert found(reader, object=f"auth.group:{basket.pk}", q="R-2") == {"R-2"}


def test_the_filter_is_shown_while_it_is_on(reader: Clerk, basket: Group) -> None:
    new_order(content_object=basket)
    assert "By payment for" not in reader.get_text(ORDERS_URL)
    page = reader.get_text(ORDERS_URL, object=f"auth.group:{basket.pk}")
    assert "By payment for" in page
