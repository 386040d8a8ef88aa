"""Subresource Integrity: the tags name the hash of the file that is served."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

import nexi_payments
from nexi_payments import integrity
from nexi_payments.simulator import Simulator
from tests.clerk import BASE, DESK, PERMISSIONS, Clerk, card_page, opened, order_page
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

STATIC = Path(nexi_payments.__file__).parent / "static/nexi_payments"
#: a tag that makes the browser load a file of ours, icons aside
TAG = re.compile(r'<(?:script src|link[^>]* href)="[^"]*nexi_payments/[^"]*"[^>]*>')
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
    integrity._known.clear()
    yield settings
    integrity._known.clear()


@pytest.fixture
def collected(on: Any, tmp_path: Path) -> Path:
    """As in production: a manifest, and files under names of their own."""
    on.STATIC_ROOT = str(tmp_path)
    on.STORAGES = {**on.STORAGES, "staticfiles": {"BACKEND": MANIFEST}}
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path / "nexi_payments"


def card_page_of(browser: Client) -> str:
    answer = browser.get(new_order().get_absolute_url())
    assert answer.status_code == 200
    return answer.content.decode()


def test_nothing_unless_it_is_switched_on(shopper: Shopper) -> None:
    page = card_page_of(shopper.browser)
    assert set(tags_of(page)) == {"pages.css", "card.js"}
    assert "integrity" not in page
    assert "crossorigin" not in page
    list_page = Clerk(*PERMISSIONS).read(BASE)
    assert set(tags_of(list_page)) == {"staff.css", "search.js"}
    assert "integrity" not in list_page


def test_every_tag_of_every_page(on: Any, shopper: Shopper) -> None:
    clerk = Clerk(*PERMISSIONS)
    order = new_order()
    declined = shopper.pay(new_order(), "declined")
    doubtful = shopper.pay(new_order(), "garbage")
    paid = clerk.take(reference="D-1")
    to_key = opened(clerk.open(reference="D-2"))
    anybody = shopper.browser
    pages = {
        "pay": anybody.get(order.get_absolute_url()),
        "redirect": shopper.enter(order),
        "result": anybody.get(f"/payments/result/{declined.public_id}/"),
        "pending": anybody.get(f"/payments/result/{doubtful.public_id}/"),
        "repost": anybody.get(f"/payments/return/{order.public_id}/x/?PaRes=x"),
        "list": clerk.get(BASE),
        "payment": clerk.get(order_page(paid)),
        "desk": clerk.get(DESK),
        "card": clerk.get(card_page(to_key)),
        "told": clerk.get(f"{DESK}{paid.public_id}/"),
        "receipt": clerk.get(f"{DESK}{paid.public_id}/receipt/"),
        "till": clerk.get(BASE + "till/"),
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
    assert seen == set(integrity.FILES)


def test_all_that_a_page_can_load_is_listed() -> None:
    ours = [*STATIC.glob("*.js"), *STATIC.glob("*.css")]
    assert sorted(f"nexi_payments/{one.name}" for one in ours) == list(integrity.FILES)


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
    served = integrity._served

    def counting(name: str) -> bytes:
        read.append(name)
        return served(name)

    monkeypatch.setattr(integrity, "_served", counting)
    for _ in range(3):
        card_page_of(shopper.browser)
    assert sorted(read) == ["nexi_payments/card.js", "nexi_payments/pages.css"]


def test_while_somebody_works_on_a_file_it_is_read_each_time(
    on: Any, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    on.DEBUG = True
    texts = iter([b"one", b"two"])
    monkeypatch.setattr(integrity, "_served", lambda name: next(texts))
    assert integrity.digest("nexi_payments/card.js") == sha384(b"one")
    assert integrity.digest("nexi_payments/card.js") == sha384(b"two")


def test_a_missing_file_costs_the_attribute_only(
    on: Any, shopper: Shopper, caplog: pytest.LogCaptureFixture
) -> None:
    assert integrity.attributes("nexi_payments/never-made.js") == {}
    assert "no integrity for nexi_payments/never-made.js" in caplog.text


def test_a_storage_that_is_away_is_asked_again_after_a_minute(
    collected: Path, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    asked: list[str] = []

    def away(name: str) -> bytes:
        asked.append(name)
        raise ConnectionError("the bucket is away")

    monkeypatch.setattr(integrity.time, "monotonic", lambda: now[0])
    with monkeypatch.context() as patched:
        patched.setattr(integrity, "_served", away)
        for _ in range(2):
            assert "integrity" not in card_page_of(shopper.browser)
    assert sorted(asked) == ["nexi_payments/card.js", "nexi_payments/pages.css"]
    now[0] += 59
    assert "integrity" not in card_page_of(shopper.browser)
    now[0] += 1
    assert card_page_of(shopper.browser).count(" integrity=") == 2


def test_without_the_app_staticfiles(on: Any, gateway: Simulator) -> None:
    on.INSTALLED_APPS = [
        name for name in on.INSTALLED_APPS if not name.endswith(".staticfiles")
    ]
    assert integrity.attributes("nexi_payments/card.js") == {}


def test_the_inventory_has_the_same_hashes(on: Any) -> None:
    page = (STATIC.parents[2] / "docs/pci.md").read_text()
    for file in STATIC.glob("*.js"):
        assert integrity.digest(f"nexi_payments/{file.name}") in page, file.name


def test_it_is_true_or_false(settings: Any) -> None:
    settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, "INTEGRITY": "yes"}
    told = io.StringIO()
    with pytest.raises(
        SystemCheckError, match=r"\['INTEGRITY'\] must be True or False"
    ):
        call_command("check", stderr=told, stdout=told)
