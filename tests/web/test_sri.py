"""Subresource Integrity: the tags name the hash of the file that is served."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles.storage import (
    ManifestStaticFilesStorage,
    staticfiles_storage,
)
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

import nexi_payments
from nexi_payments.simulator import Simulator
from nexi_payments.web import sri
from tests.support.clerk import (
    ORDERS_URL,
    PERMISSIONS,
    PHONE_ORDERS_URL,
    Clerk,
    action_url,
    card_url,
    order_from_redirect,
    order_url,
)
from tests.support.shopper import Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]

STATIC = Path(nexi_payments.__file__).parent / "static/nexi_payments"
#: a tag that makes the browser load a file of ours, icons aside
TAG = re.compile(r'<(?:script src|link[^>]* href)="[^"]*nexi_payments/[^"]*"[^>]*>')
#: The files that a card page loads.
ON_CARD_PAGE = ("card.js", "pages.css")
MANIFEST = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"


def sha384(content: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def tags_of(page: str) -> dict[str, str]:
    """File → its tag."""
    found = [tag for tag in TAG.findall(page) if "icon" not in tag]
    return {re.findall(r"nexi_payments/([\w.]+)", tag)[0]: tag for tag in found}


@pytest.fixture
def on(settings: Any) -> Any:
    settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, "INTEGRITY": True}
    settings.STATIC_URL = settings.STATIC_URL  # a change of it forgets all hashes
    return settings


@pytest.fixture
def collected(on: Any, tmp_path: Path) -> Path:
    """As in production: a manifest, and files under names of their own."""
    on.STATIC_ROOT = str(tmp_path)
    on.STORAGES = {**on.STORAGES, "staticfiles": {"BACKEND": MANIFEST}}
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path / "nexi_payments"


def card_page_of(browser: Client) -> str:
    answer = browser.get(new_order().page_url())
    assert answer.status_code == 200
    return answer.content.decode()


def test_nothing_unless_it_is_switched_on(shopper: Shopper) -> None:
    page = card_page_of(shopper.browser)
    assert set(tags_of(page)) == {"pages.css", "card.js"}
    assert "integrity" not in page
    assert "crossorigin" not in page
    list_page = Clerk(*PERMISSIONS).get_text(ORDERS_URL)
    assert set(tags_of(list_page)) == {"staff.css", "search.js"}
    assert "integrity" not in list_page


def test_every_tag_of_every_page(
    on: Any, shopper: Shopper, change_settings: Any
) -> None:
    terminals = django_settings.NEXI_PAYMENTS["TERMINALS"]
    offering = {"default": {**terminals["default"], "METHODS": ["PAYPAL"]}}
    change_settings(TERMINALS={**terminals, **offering})
    clerk = Clerk(*PERMISSIONS)
    order = new_order()
    declined = shopper.pay(new_order(), "declined")
    doubtful = shopper.pay(new_order(), "garbage")
    paid = clerk.take_phone_order(reference="D-1")
    to_key = order_from_redirect(clerk.create_order(reference="D-2"))
    anybody = shopper.browser
    pages = {
        "pay": anybody.get(order.page_url()),
        "redirect": shopper.submit_card(order),
        "result": anybody.get(f"/payments/result/{declined.public_id}/"),
        "pending": anybody.get(f"/payments/result/{doubtful.public_id}/"),
        "repost": anybody.get(f"/payments/return/{order.public_id}/x/?PaRes=x"),
        "list": clerk.get(ORDERS_URL),
        "payment": clerk.get(order_url(paid)),
        "desk": clerk.get(PHONE_ORDERS_URL),
        "card": clerk.get(card_url(to_key)),
        "told": clerk.get(f"{PHONE_ORDERS_URL}{paid.order_id}/"),
        "receipt": clerk.get(action_url(paid, "receipt")),
        "till": clerk.get(ORDERS_URL + "daily-report/"),
    }
    seen = set()
    for name, answer in pages.items():
        assert answer.status_code == 200, name
        tags = tags_of(answer.content.decode())
        assert tags, name
        for file, tag in tags.items():
            expected = sha384((STATIC / file).read_bytes())
            assert f' integrity="{expected}"' in tag, name
            assert ' crossorigin="anonymous"' in tag, name
        seen |= {f"nexi_payments/{file}" for file in tags}
    assert seen == set(sri.FILES)


def test_all_that_a_page_can_load_is_listed() -> None:
    ours = [*STATIC.glob("*.js"), *STATIC.glob("*.css")]
    assert sorted(f"nexi_payments/{one.name}" for one in ours) == list(sri.FILES)


def test_what_collectstatic_made_counts(collected: Path, shopper: Shopper) -> None:
    (made,) = collected.glob("card.*.js")
    made.write_bytes(b"/* another text than the one it was made from */")
    page = card_page_of(shopper.browser)
    assert sha384(made.read_bytes()) in tags_of(page)[made.name]
    assert sha384((STATIC / "card.js").read_bytes()) not in page


def test_a_file_is_read_once_in_a_process(
    collected: Path, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    served = ManifestStaticFilesStorage.open

    def counting(storage: Any, name: str) -> Any:
        read.append(name)
        return served(storage, name)

    monkeypatch.setattr(ManifestStaticFilesStorage, "open", counting)
    for _ in range(3):
        card_page_of(shopper.browser)
    stored = staticfiles_storage.stored_name
    assert sorted(read) == [stored(f"nexi_payments/{name}") for name in ON_CARD_PAGE]


def test_while_somebody_works_on_a_file_it_is_read_each_time(
    on: Any, tmp_path: Path
) -> None:
    on.DEBUG = True
    on.STATICFILES_DIRS = [tmp_path]
    script = tmp_path / "nexi_payments/card.js"
    script.parent.mkdir()
    for text in (b"one", b"two"):
        script.write_bytes(text)
        assert sri.digest("nexi_payments/card.js") == sha384(text)


def test_a_missing_file_costs_the_attribute_only(
    on: Any, shopper: Shopper, caplog: pytest.LogCaptureFixture
) -> None:
    assert sri.integrity_attributes("nexi_payments/never-made.js") == {}
    assert "no integrity attribute for nexi_payments/never-made.js" in caplog.text


def test_a_storage_that_is_away_is_asked_again_after_a_minute(
    collected: Path, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    asked: list[str] = []

    def away(storage: Any, name: str) -> bytes:
        asked.append(name)
        raise ConnectionError("the bucket is away")

    monkeypatch.setattr(sri, "monotonic", lambda: now[0])
    with monkeypatch.context() as patched:
        patched.setattr(ManifestStaticFilesStorage, "open", away)
        for _ in range(2):
            assert "integrity" not in card_page_of(shopper.browser)
    stored = staticfiles_storage.stored_name
    assert sorted(asked) == [stored(f"nexi_payments/{name}") for name in ON_CARD_PAGE]
    now[0] += 59
    assert "integrity" not in card_page_of(shopper.browser)
    now[0] += 1
    assert card_page_of(shopper.browser).count(" integrity=") == 2


def test_without_the_app_staticfiles(on: Any, gateway: Simulator) -> None:
    on.INSTALLED_APPS = [
        name for name in on.INSTALLED_APPS if not name.endswith(".staticfiles")
    ]
    assert sri.integrity_attributes("nexi_payments/card.js") == {}


def test_the_inventory_has_the_same_hashes(on: Any) -> None:
    page = (STATIC.parents[2] / "docs/pci.md").read_text()
    for file in STATIC.glob("*.js"):
        assert sri.digest(f"nexi_payments/{file.name}") in page, file.name


def test_it_is_true_or_false(settings: Any) -> None:
    settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, "INTEGRITY": "yes"}
    told = io.StringIO()
    with pytest.raises(
        SystemCheckError, match=r"\['INTEGRITY'\] must be True or False"
    ):
        call_command("check", stderr=told, stdout=told)
