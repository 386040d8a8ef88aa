"""The shop in which the snippets of the pages stand.

Each page has names of its own (``names``): those a reader would have at hand. What has
to happen between two blocks, a shopper who pays, is in ``Stage.before``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.dispatch import receiver
from django.http import HttpResponse, HttpResponseForbidden
from django.shortcuts import redirect
from django.test import RequestFactory
from django.urls import include, path
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from nexi_payments import flows, signals
from nexi_payments.models import PaymentOrder
from tests.support.contracts import make_contract
from tests.support.in_doubt import charge_at_gateway
from tests.support.shopper import Shopper, new_order

#: what any page may take for granted, as a reader does
COMMON_NAMES: dict[str, Any] = {
    "AppConfig": AppConfig,
    "Decimal": Decimal,
    "HttpResponse": HttpResponse,
    "HttpResponseForbidden": HttpResponseForbidden,
    "compare_digest": constant_time_compare,
    "flows": flows,
    "include": include,
    "login_not_required": login_not_required,
    "os": os,
    "path": path,
    "payment_paid": signals.payment_paid,
    "receiver": receiver,
    "redirect": redirect,
    "require_safe": require_safe,
    "settings": settings,
}


class FakeModel:
    """A table of the shop, as far as the snippets need one."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.objects = self

    def get_or_create(
        self, defaults: dict[str, Any] | None = None, **key: Any
    ) -> tuple[dict[str, Any], bool]:
        for row in self.rows:
            if key.items() <= row.items():
                return row, False
        self.rows.append({**key, **(defaults or {})})
        return self.rows[-1], True

    def count(self) -> int:
        return len(self.rows)


class OneOrder:
    """A table of the shop with the order D-1001."""

    row = SimpleNamespace(
        number="D-1001",
        total=Decimal("12.50"),
        title="Three cups",
        name="Giulia Bianchi",
        email="giulia@shop.example",
        cancelled=False,
    )

    @staticmethod
    def find(number: str | None) -> Any:
        found = OneOrder.row if number == OneOrder.row.number else None
        return SimpleNamespace(first=lambda: found)

    objects: Any = SimpleNamespace(filter=find)


class FakeOrders(list[Any]):
    """The shop's orders, as far as the snippets look for one."""

    @property
    def objects(self) -> FakeOrders:
        return self

    def filter(self, number: str | None) -> FakeOrders:
        return FakeOrders(one for one in self if one.number == number)

    def first(self) -> Any:
        return next(iter(self), None)

    def create(self, **facts: Any) -> Any:
        self.append(SimpleNamespace(**facts))
        return self[-1]


@dataclass
class Subscription:
    """A subscription of the shop, as the guide has it."""

    number: str = "S-1001"
    price: Decimal = Decimal("9.00")
    months: int = 0
    is_paused: bool = False

    def save(self) -> None: ...


#: They go on from a ``NEXI_PAYMENTS`` of the reader.
SETTINGS_PAGES = (
    "docs/security.md",
    "docs/guides/proxy.md",
    "docs/troubleshooting.md",
)


@dataclass
class SnippetPage:
    """One page's namespace, and the shopper who walks through it."""

    page: str
    shopper: Shopper
    change: Any  # the fixture ``nexi``
    printed: list[str] = field(default_factory=list)

    def names(self) -> dict[str, Any]:
        request = RequestFactory().get("/")
        request.user = get_user_model().objects.create_user("somebody")
        order = SimpleNamespace(number="D-1001", total=Decimal("12.50"))
        common: dict[str, Any] = {
            "__name__": f"page.{self.page}",
            "request": request,
            "order": order,
            "shop_order": order,
            "INSTALLED_APPS": [],
            "urlpatterns": [],
            "ShopOrder": FakeOrders([order]),
            "Parcel": FakeModel(),
            "Credit": FakeModel(),
            "print_label": self.printed.append,
        }
        return COMMON_NAMES | common | self._of_page()

    def modules(self, names: dict[str, Any]) -> dict[str, ModuleType]:
        """What the page imports from the shop's own app."""
        models = ModuleType("yourshop.models")
        vars(models).update(ShopOrder=names["ShopOrder"], Parcel=names["Parcel"])
        return {"yourshop": ModuleType("yourshop"), "yourshop.models": models}

    def _of_page(self) -> dict[str, Any]:
        if self.page == "docs/flows.md":
            return {
                "authorized": self.authorized_payment("H-1"),
                "other": self.authorized_payment("H-2"),
                "third": self.authorized_payment("H-4"),
                "under_review": self.payment_under_review(),
                "ticket": SimpleNamespace(delete=lambda: None),
            }
        if self.page == "docs/hooks.md":
            vault = SimpleNamespace(read=lambda name: name.encode().ljust(32))
            return {"Order": OneOrder, "NEXI_PAYMENTS": {}, "vault": vault}
        if self.page in SETTINGS_PAGES:
            return {"NEXI_PAYMENTS": {}}
        if self.page == "docs/guides/subscriptions.md":
            row = Subscription()
            return {"subscription": row, "Subscription": FakeOrders([row])}
        if self.page == "docs/contracts.md":
            return {"contract": make_contract(self.shopper)}
        return {}

    def prepare_block(self, source: str, names: dict[str, Any]) -> None:
        """What a reader does with hands before this block."""
        if "payment.refresh_from_db()" in source:
            names["payment"] = self.buy(names)

    def buy(self, names: dict[str, Any]) -> PaymentOrder:
        """Through the page's own ``checkout``, our card page and the bank."""
        answer = names["checkout"](names["request"])
        payment = PaymentOrder.objects.get(reference=names["ShopOrder"][-1].number)
        assert answer["Location"] == payment.page_url()
        self.shopper.pay(payment)
        seen = self.shopper.browser.get(payment.page_url().replace("/pay/", "/result/"))
        assert seen["Location"] == f"/thanks/?payment={payment.order_id}"
        return payment

    def authorized_payment(self, reference: str) -> PaymentOrder:
        return self.shopper.pay(new_order(reference=reference, terminal="manual"))

    def payment_under_review(self) -> PaymentOrder:
        """Declined, we were told; then the charge turned up at Nexi."""
        order = self.shopper.pay(new_order(), "declined")
        charge_at_gateway(self.shopper.gateway, order)
        flows.reconcile(order)
        order.refresh_from_db()
        assert order.state == "review"
        return order

    def shop_order(self, names: dict[str, Any]) -> PaymentOrder:
        return new_order(reference=names["shop_order"].number)

    def refund(self, order: PaymentOrder) -> None:
        flows.refund(order, Decimal("2.00"))
        flows.reconcile(order)
