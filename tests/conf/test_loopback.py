"""A shop under development: any name of this machine, on any port."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from nexi_payments import conf
from nexi_payments.conf import site
from nexi_payments.conf.loopback import is_loopback
from nexi_payments.simulator import notifications
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.seen_on("sqlite")

HERE = ("localhost", "LOCALHOST", "shop.localhost", "a.b.localhost", "127.0.0.1")
HERE_TOO = ("127.0.0.2", "127.1.2.3", "::1")
ELSEWHERE = ("shop.example", "localhost.example", "notlocalhost", "128.0.0.1", "::2")


@pytest.mark.parametrize("name", [*HERE, *HERE_TOO])
def test_this_machine(name: str) -> None:
    assert is_loopback(name)
    assert notifications._is_loopback(name.lower())


@pytest.mark.parametrize("name", [*ELSEWHERE, "", None])
def test_another_machine(name: str | None) -> None:
    assert not is_loopback(name)
    assert not notifications._is_loopback(name or "")


@pytest.mark.parametrize(
    ("shop", "issuer"),
    [
        ("http://127.0.0.1:8000", "http://localhost:8000"),
        ("http://localhost", "http://127.0.0.1"),
        # "localhost" would be the same site as a name below it
        ("http://shop.localhost:8001", "http://127.0.0.1:8001"),
        ("http://127.0.0.2:8001", "http://localhost:8001"),
        ("https://shop.example", "https://shop.example"),
    ],
)
def test_the_issuer_is_on_another_site_of_this_machine(shop: str, issuer: str) -> None:
    assert site.simulator_origin(shop) == issuer


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("host", ["shop.localhost:8001", "127.0.0.2:9000"])
def test_the_way_back_is_where_the_shopper_is(
    settings: Any, change_settings: Any, shopper: Shopper, host: str
) -> None:
    settings.ALLOWED_HOSTS = [".localhost", "127.0.0.2"]
    change_settings(PUBLIC_URL="")
    shopper.browser.defaults["HTTP_HOST"] = host
    form = shopper.start(new_order())
    assert form.fields["ReturnUrl"].startswith(f"http://{host}/payments/return/")
    back = shopper.browser.post(form.path, shopper.answer_challenge(form))
    assert back.status_code == 303


def test_such_a_name_may_be_the_public_url(change_settings: Any) -> None:
    change_settings(PUBLIC_URL="http://shop.localhost:8001")
    assert conf.site_address() == "http://shop.localhost:8001"
    deployed = run_checks(tags=["security"], include_deployment_checks=True)
    assert "nexi_payments.W015" in {one.id for one in deployed}
