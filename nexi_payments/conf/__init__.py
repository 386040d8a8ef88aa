"""Settings, and what is built from them: gateway clients and absolute URLs.

For this package only: hosts read their own settings.
"""

from nexi_payments.conf.card_keys import sealed_card_keys
from nexi_payments.conf.gateway_factory import call_context, client, simulator
from nexi_payments.conf.settings import Settings, current, load
from nexi_payments.conf.site import (
    hosted_page_origins,
    is_safe_hosted_page_url,
    is_safe_three_ds_url,
    site_address,
)
from nexi_payments.conf.terminals import PRODUCTION, SANDBOX, SIMULATOR, Terminal
from nexi_payments.page_paths import has_api

__all__ = [
    "PRODUCTION",
    "SANDBOX",
    "SIMULATOR",
    "Settings",
    "Terminal",
    "call_context",
    "client",
    "current",
    "has_api",
    "hosted_page_origins",
    "is_safe_hosted_page_url",
    "is_safe_three_ds_url",
    "load",
    "sealed_card_keys",
    "simulator",
    "site_address",
]
