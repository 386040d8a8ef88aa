"""A shop on django-oscar, as its documentation has it: one forked app, the checkout."""

import os
from pathlib import Path

from oscar.defaults import *  # noqa: F403

from tests.base_settings import *  # noqa: F403
from tests.base_settings import (
    CONTEXT_PROCESSORS,
    INSTALLED_APPS,
    MIDDLEWARE,
    SQLITE,
    TEMPLATES,
    without,
)

DEBUG = True  # without a key: the built-in simulator
ROOT_URLCONF = "tests.integrations.oscar_shop.urls"
SITE_ID = 1
INSTALLED_APPS = [
    *without(INSTALLED_APPS, "nexi_payments"),
    "django.contrib.sites",
    "django.contrib.flatpages",
    "oscar.config.Shop",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "tests.integrations.oscar_shop.checkout.apps.CheckoutConfig",
    "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.offer.apps.OfferConfig",
    "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.customer.apps.CustomerConfig",
    "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.voucher.apps.VoucherConfig",
    "oscar.apps.wishlists.apps.WishlistsConfig",
    "oscar.apps.dashboard.apps.DashboardConfig",
    "oscar.apps.dashboard.reports.apps.ReportsDashboardConfig",
    "oscar.apps.dashboard.users.apps.UsersDashboardConfig",
    "oscar.apps.dashboard.orders.apps.OrdersDashboardConfig",
    "oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig",
    "oscar.apps.dashboard.offers.apps.OffersDashboardConfig",
    "oscar.apps.dashboard.partners.apps.PartnersDashboardConfig",
    "oscar.apps.dashboard.pages.apps.PagesDashboardConfig",
    "oscar.apps.dashboard.ranges.apps.RangesDashboardConfig",
    "oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig",
    "oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig",
    "oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig",
    "oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig",
    "widget_tweaks",
    "haystack",
    "treebeard",
    "sorl.thumbnail",
    "django_tables2",
    "nexi_payments",
    "nexi_payments.integrations.oscar",
]
MIDDLEWARE = [
    *without(MIDDLEWARE, "django.middleware.clickjacking.XFrameOptionsMiddleware"),
    "oscar.apps.basket.middleware.BasketMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]
TEMPLATES = [
    {
        **TEMPLATES[0],
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {
            "context_processors": [
                *CONTEXT_PROCESSORS,
                "django.template.context_processors.i18n",
                "oscar.apps.search.context_processors.search_form",
                "oscar.apps.checkout.context_processors.checkout",
                "oscar.apps.communication.notifications.context_processors.notifications",
                "oscar.core.context_processors.metadata",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BRIDGE_DATABASE"],
        "ATOMIC_REQUESTS": True,  # as in oscar's sandbox
        "OPTIONS": SQLITE,
    }
}
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]
HAYSTACK_CONNECTIONS = {
    "default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}
}
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = os.environ["BRIDGE_DATABASE"] + "-mails"
MEDIA_URL = "/media/"
MEDIA_ROOT = os.environ["BRIDGE_DATABASE"] + "-media"
LANGUAGE_CODE = "en-gb"

OSCAR_ALLOW_ANON_CHECKOUT = True
OSCAR_DEFAULT_CURRENCY = "EUR"
OSCAR_INITIAL_ORDER_STATUS = "Pending"
OSCAR_INITIAL_LINE_STATUS = "Pending"
OSCAR_ORDER_STATUS_PIPELINE = {
    "Pending": ("Being processed", "Cancelled"),
    "Being processed": ("Complete", "Cancelled"),
    "Complete": ("Being processed", "Cancelled"),
    "Cancelled": (),
}
NEXI_PAYMENTS = {
    "TERMINALS": {
        "default": {
            "ENVIRONMENT": "simulator",
            "METHODS": ["PAYPAL"],
            "CAPTURE": os.environ.get("BRIDGE_CAPTURE", "automatic"),
        }
    }
}
NEXI_OSCAR = {"PAID": "Being processed", "REFUNDED": "Cancelled"}


class _NoMigrations(dict):  # type: ignore[type-arg]
    """Tables straight from the models: oscar's migrations take most of a minute."""

    def __contains__(self, app: object) -> bool:
        return True

    def __getitem__(self, app: str) -> None:
        return None


MIGRATION_MODULES = _NoMigrations()
