"""Models of the demo shop. Amounts are ``Decimal``, in euro."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Product(models.Model):
    name = models.CharField(_("name"), max_length=100)
    name_it = models.CharField(_("name in Italian"), max_length=100)
    mark = models.CharField(max_length=8)
    price = models.DecimalField(_("price"), max_digits=8, decimal_places=2)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.name


_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ23456789"


def new_number() -> str:
    """A random order number. Hard to guess: it is the key to a guest's order page.

    Mostly letters: one in 25,000 numbers of sixteen hexadecimal digits could be a card
    number.
    """
    return "D" + "".join(secrets.choice(_LETTERS) for _ in range(16))


class ShopOrder(models.Model):
    number = models.CharField(
        _("number"), max_length=20, unique=True, default=new_number
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL
    )
    name = models.CharField(_("name"), max_length=100)
    email = models.EmailField(_("e-mail"))
    street = models.CharField(_("street"), max_length=50, blank=True)
    post_code = models.CharField(_("post code"), max_length=16, blank=True)
    city = models.CharField(_("city"), max_length=50, blank=True)
    province = models.CharField(_("province"), max_length=2, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    total = models.DecimalField(_("total"), max_digits=10, decimal_places=2)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.number

    @property
    def shipping_address(self) -> dict[str, str]:
        """Empty if the customer collects the parcel."""
        if not self.street:
            return {}
        parts = ("name", "street", "post_code", "city", "province", "country")
        return {name: getattr(self, name) for name in parts}

    @property
    def billing_address(self) -> dict[str, str]:
        """The shipping address: the shop asks for one address only."""
        return self.shipping_address


class Line(models.Model):
    order = models.ForeignKey(ShopOrder, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveSmallIntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"

    @property
    def total(self) -> Decimal:
        return self.quantity * self.price


class Fulfilment(models.Model):
    """The parcel of an order. One for each order, however often a signal arrives."""

    order = models.OneToOneField(ShopOrder, on_delete=models.CASCADE)
    payment = models.CharField(max_length=32)
    event_id = models.BigIntegerField()
    signals = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("fulfilment")
        verbose_name_plural = _("fulfilments")

    def __str__(self) -> str:
        return str(self.order)
