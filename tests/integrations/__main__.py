"""``python -m tests.integrations [other_shop …]``: each host, or these, bought from.

A shopper in Chromium buys from the hosts of our integrations. Hosts without one have a
suite, which runs as they would run it: ``manage.py test``."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.demo_server import CHROMIUM, CHROMIUM_ARGS
from tests.integrations.host import Host, screenshot

HOSTS = ("payments_shop", "oscar_shop", "other_shop")
WITH_A_SUITE = ("salesman_shop", "donation_site")


def run_purchases(name: str) -> None:
    shop = import_module(f"tests.integrations.{name}.purchases")
    with (
        tempfile.TemporaryDirectory(prefix="bridges-") as folder,
        sync_playwright() as driver,
    ):
        host = Host(shop.SETTINGS, Path(folder))
        shop.prepare(host)
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        with host.serving() as site:
            context = browser.new_context(base_url=site, locale="en-GB")
            context.set_default_timeout(30_000)
            page = context.new_page()
            for purchase in shop.PURCHASES:
                began = time.monotonic()
                try:
                    purchase(host, page)
                except BaseException:
                    print(page.url, page.inner_text("body")[:2000], sep="\n")
                    print(host.log.read_text()[-4000:])
                    raise
                took = time.monotonic() - began
                print(f"{name}: {purchase.__name__.replace('_', ' ')}: {took:.1f} s")
                screenshot(page, f"{name}-{purchase.__name__}")
        browser.close()


def run_suite(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="bridges-") as folder:
        host = Host(f"tests.integrations.{name}.settings", Path(folder))
        host.manage("check", "--fail-level", "WARNING")
        host.manage("makemigrations", "--check", "--dry-run", "nexi_payments", name)
        began = time.monotonic()
        output = host.manage("test", f"tests.integrations.{name}.suite")
        [found] = re.findall(r"Found (\d+) test", output)
        assert int(found) >= 15, output
        print(f"{name}: {found} tests: {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    for one in sys.argv[1:] or (*WITH_A_SUITE, *HOSTS):
        if one in WITH_A_SUITE:
            run_suite(one)
        elif CHROMIUM:
            run_purchases(one)
        else:
            sys.exit("no Chromium on this machine")
