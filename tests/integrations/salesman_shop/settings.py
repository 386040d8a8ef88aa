"""A shop on django-salesman: baskets, checkout and orders over its own API, each
request in a transaction."""

import os

from tests.base_settings import *  # noqa: F403
from tests.base_settings import INSTALLED_APPS, SQLITE

DEBUG = True  # without a key: the built-in simulator
ROOT_URLCONF = "tests.integrations.salesman_shop.urls"
INSTALLED_APPS = [
    *INSTALLED_APPS,
    "salesman.core",
    "salesman.basket",
    "salesman.checkout",
    "salesman.orders",
    "salesman.admin",
    "rest_framework",
    "tests.integrations.salesman_shop.apps.SalesmanShop",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BRIDGE_DATABASE"],
        "ATOMIC_REQUESTS": True,
        "OPTIONS": SQLITE,
    }
}
SALESMAN_ORDER_MODEL = "salesmanorders.Order"
_SHOP = "tests.integrations.salesman_shop"
SALESMAN_PRODUCT_TYPES = {
    "salesman_shop.Coffee": f"{_SHOP}.serializers.CoffeeSerializer"
}
SALESMAN_PAYMENT_METHODS = [f"{_SHOP}.payment.CardPayment"]
NEXI_PAYMENTS = {
    "TERMINALS": {
        "default": {},
        "moto": {"MOTO": True, "CURRENCIES": ["EUR", "HUF"]},
    },
    "BEFORE_CHARGE": f"{_SHOP}.hooks.may_be_charged",
    "REFERENCE_LOOKUP": f"{_SHOP}.hooks.find_order",
    "REFERENCE_LOOKUP_STRICT": True,
}
