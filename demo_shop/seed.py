"""Seed products and logins of the demo. Idempotent."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from demo_shop.models import Product

#: User, password, purpose; printed by ``manage.py demo``.
LOGINS: Final = (
    ("shopper", "shopper", "buys"),
    ("admin", "admin", "sees and does everything in /admin/"),
    ("manager", "manager", "sees and does all with payments in /admin/"),
    ("clerk", "clerk", "takes phone orders in /admin/"),
    ("refunds", "refunds", "looks after payments in /admin/"),
    ("staff", "staff", "may nothing with payments"),
)
#: Permissions of the staff logins.
_PERMISSIONS: Final = {
    "manager": (
        "take_moto",
        "view_paymentorder",
        "capture_payment",
        "void_payment",
        "refund_payment",
        "reconcile_payment",
        "resolve_review",
        "cancel_capture",
        "view_contract",
        "charge_contract",
        "end_contract",
        "verify_card",
        "view_cardverification",
    ),
    # clerks hear card numbers anyway: they may verify cards, too
    "clerk": ("take_moto", "verify_card"),
    "refunds": ("refund_payment",),
    "staff": (),
}

_PRODUCTS: Final = (
    ("Espresso cup", "Tazzina da caffè", "☕", "12.50"),
    ("Moka pot", "Moka", "🫖", "34.90"),
    ("Coffee beans, 1 kg", "Caffè in grani, 1 kg", "🫘", "21.00"),
    ("Biscotti", "Biscotti", "🍪", "6.40"),
)


def seed() -> None:
    for name, name_it, mark, price in _PRODUCTS:
        Product.objects.get_or_create(
            name=name,
            defaults={"name_it": name_it, "mark": mark, "price": Decimal(price)},
        )
    users = get_user_model().objects
    for name, password, _ in LOGINS:
        if users.filter(username=name).exists():
            continue
        make = users.create_superuser if name == "admin" else users.create_user
        make(
            username=name,
            password=password,
            email=f"{name}@shop.example",
            first_name="Giulia" if name == "shopper" else "",
            last_name="Bianchi" if name == "shopper" else "",
            **({"is_staff": True} if name in _PERMISSIONS else {}),
        )
    for name, permissions in _PERMISSIONS.items():
        allowed = Permission.objects.filter(
            content_type__app_label="nexi_payments", codename__in=permissions
        )
        users.get(username=name).user_permissions.set(allowed)
