"""What salesman leaves to a shop: the product; and what a subscription brought."""

from django.conf import settings
from django.db import models


class Coffee(models.Model):
    name = models.CharField(max_length=40)
    code = models.SlugField()
    price = models.DecimalField(max_digits=12, decimal_places=2)

    def __str__(self):
        return self.name

    def get_price(self, request):
        return self.price


class Delivery(models.Model):
    """One period of a subscription that was paid."""

    order = models.ForeignKey(
        settings.SALESMAN_ORDER_MODEL, models.PROTECT, related_name="deliveries"
    )
    number = models.CharField(max_length=100, unique=True)
    total = models.DecimalField(max_digits=12, decimal_places=2)

    def __str__(self):
        return self.number
