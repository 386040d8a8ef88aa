"""``nexi_sandbox_hour`` against the simulator, with a scripted person."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command

from nexi_payments.management.sandbox_hour.notes import Notes, UnusableNotes
from nexi_payments.models import PaymentOrder
from nexi_payments.models.hosted_page import HostedPage
from nexi_payments.simulator import Simulator
from nexi_payments.testing.forms import CARDS
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.in_doubt import HOUR, MINUTE, time_travel

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = [
    "methods",
    "page",
    "endings",
    "each_method",
    "unknown_method",
    "same_order",
    "cancel",
    "link",
]
LAST_PAGE = re.compile(r"http\S+")


@pytest.fixture
def shopper(gateway: Simulator, settings: Any) -> HostedShopper:
    changed = with_hosted_terminals()
    changed["TERMINALS"]["hour"] = {
        "ENVIRONMENT": "simulator",
        "CARDS": "hosted_page",
        "METHODS": ["PAYPAL", "MYBANK"],
        "LINKS": "nexi",
    }
    changed["TERMINALS"]["own_card_page"] = {"ENVIRONMENT": "simulator"}
    settings.NEXI_PAYMENTS = changed
    return HostedShopper(gateway)


@pytest.fixture
def live(shopper: HostedShopper, settings: Any) -> None:
    """Beside them terminals that take real money, or send it there."""
    changed = {**settings.NEXI_PAYMENTS, "PUBLIC_URL": "https://shop.example"}
    changed["TERMINALS"] |= {
        "live": {
            "API_KEY": "k",
            "ENVIRONMENT": "production",
            "CARDS": "hosted_page",
        },
        "opened_live": {
            "ENVIRONMENT": "simulator",
            "METHODS": "auto",
            "HOSTED_TERMINAL": "live",
        },
    }
    settings.NEXI_PAYMENTS = changed


class Clerk:
    """Does what each prompt says, and answers it."""

    def __init__(self, shopper: HostedShopper) -> None:
        self.shopper = shopper
        self.prompts: list[str] = []
        self.urls: list[str] = []
        self.before: Callable[[str], None] = lambda prompt: None

    def __call__(self, prompt: str = "") -> str:
        self.before(prompt)
        self.prompts.append(prompt)
        self.urls += LAST_PAGE.findall(prompt)
        order = PaymentOrder.objects.order_by("pk").last()
        if prompt.startswith("Open this"):
            page = urlsplit(self.urls[-1])
            answer = self.shopper.client.get(f"{page.path}?{page.query}")
            assert answer.status_code == 200
        if "Pay with a test card, and close" in prompt:
            self.shopper.act(order, "pay", comes_back=False, notify="before")
        elif prompt.startswith(("Pay with", "Pay once more")):
            self.shopper.act(order, "pay")
        elif prompt.startswith("Use a test card that is declined"):
            self.shopper.act(order, "decline")
        elif prompt.startswith("Press Nexi's button"):
            self.shopper.act(order, "cancel")
        return self.answer(prompt, order)

    def answer(self, prompt: str, order: PaymentOrder) -> str:
        if "a page of the shop" in prompt:
            page = HostedPage.objects.get(order=order)
            return "yes" if page.back_at else "no"
        if "What does it offer" in prompt:
            return "both"
        if "Can you pay with" in prompt:
            return "yes"
        if "still be paid" in prompt:
            return "no"
        return ""


@pytest.fixture
def clerk(shopper: HostedShopper, monkeypatch: pytest.MonkeyPatch) -> Clerk:
    found = Clerk(shopper)
    monkeypatch.setattr("builtins.input", found)
    return found


def run(path: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command(
        "nexi_sandbox_hour", **{"terminal": "hour", **options}, to=str(path), stdout=out
    )
    return out.getvalue()


def notes(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_whole_hour(clerk: Clerk, gateway: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "hour.json"
    said = run(path)
    document = notes(path)
    assert (document["terminal"], document["environment"]) == ("hour", "simulator")
    steps = document["steps"]
    assert sorted(steps) == sorted(STEPS)
    assert "Run it again when the page of step" in said

    circuits = [one["circuit"] for one in steps["methods"]["methods"]]
    assert {"PAYPAL", "MYBANK", "VISA"} <= set(circuits)
    assert steps["page"]["offers"] == "both"
    assert steps["page"]["made"]["status"] == 404
    assert steps["page"]["closed"]["operations"] == []

    endings = steps["endings"]["endings"]
    assert steps["endings"]["method"] == "CARDS"
    found = {name: (one["state"], one["came_back"]) for name, one in endings.items()}
    assert found == {
        "pay": ("paid", True),
        "decline": ("failed", True),
        "cancel": ("failed", True),
        "back": ("awaiting_hosted_page", False),
        "close": ("paid", False),
    }
    assert endings["close"]["returns_and_notifications"] == 1
    [operation] = endings["pay"]["nexi"]["operations"]
    assert operation == {
        "type": "AUTHORIZATION",
        "result": "EXECUTED",
        "amount": 6000,
        "payment_method": "CARD",
        "circuit": "VISA",
        "channel": operation["channel"],
        "has_id": True,
        "has_instrument": True,
        "warnings": [],
        "unreadable": [],
    }

    methods = steps["each_method"]
    assert sorted(methods) == ["CARDS", "MYBANK", "PAYPAL"]
    outcomes = [one["outcome"] for one in methods["PAYPAL"]["refunds"]]
    assert outcomes == ["done", "done"]
    refusals = [one["error"] for one in methods["MYBANK"]["refunds"]]
    assert refusals == ["MethodForbids", "MethodForbids"]

    assert steps["same_order"]["first"] is True
    assert steps["same_order"]["second"] is False
    assert steps["link"]["renewal"] == steps["link"]["cancel"] == {"error": ""}
    assert steps["link"]["state"] == "failed"
    assert gateway.count("/cancels") >= 1


def test_nothing_secret_is_written(
    clerk: Clerk, gateway: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "hour.json"
    gateway.keep_bodies()
    run(path)
    text = path.read_text()
    assert len(clerk.urls) > 8
    for url in clerk.urls:
        assert url not in text
        assert url.rstrip("/").rsplit("/", 1)[-1] not in text
    for order in PaymentOrder.objects.all():
        assert order.public_id not in text
        assert order.token_hash == "" or order.token_hash not in text
    assert "http" not in text
    assert CARDS["challenge"].number not in text
    assert CARDS["challenge"].number[-4:] not in text
    assert "oken" not in text


def test_the_open_page_is_looked_at_in_later_runs(clerk: Clerk, tmp_path: Path) -> None:
    path = tmp_path / "hour.json"
    run(path)
    assert notes(path)["steps"]["page"]["later"] == {}
    asked = len(clerk.prompts)
    with time_travel(6 * MINUTE):
        assert "15 minutes old" in run(path)
    assert list(notes(path)["steps"]["page"]["later"]) == ["5"]
    with time_travel(HOUR + MINUTE):
        assert "minutes old" not in run(path)
    later = notes(path)["steps"]["page"]["later"]
    assert list(later) == ["5", "15", "30", "60"]
    assert later["60"]["operations"] == []
    assert len(clerk.prompts) == asked  # what was answered is not asked again


def test_it_goes_on_where_it_was_left(clerk: Clerk, tmp_path: Path) -> None:
    path = tmp_path / "hour.json"

    def leaves(prompt: str) -> None:
        if prompt.startswith("Press Nexi's button"):
            raise KeyboardInterrupt

    clerk.before = leaves
    with pytest.raises(CommandError, match="Run it again to go on"):
        run(path)
    assert sorted(notes(path)["steps"]) == ["methods", "page"]
    first = notes(path)["steps"]["page"]["order_id"]
    clerk.before = lambda prompt: None
    run(path)
    assert sorted(notes(path)["steps"]) == sorted(STEPS)
    assert notes(path)["steps"]["page"]["order_id"] == first


def test_one_step_once_more(clerk: Clerk, tmp_path: Path) -> None:
    path = tmp_path / "hour.json"
    run(path, step="methods")
    assert list(notes(path)["steps"]) == ["methods"]
    assert clerk.prompts == []


@pytest.mark.parametrize(
    ("terminal", "why"),
    [
        ("live", "takes real money"),
        ("opened_live", "takes real money"),
        ("own_card_page", "no hosted page"),
        ("nowhere", "nowhere"),
    ],
)
def test_terminals_that_it_refuses(
    live: None,
    clerk: Clerk,
    gateway: Simulator,
    tmp_path: Path,
    terminal: str,
    why: str,
) -> None:
    path = tmp_path / "hour.json"
    with pytest.raises(CommandError, match=why):
        run(path, terminal=terminal)
    assert not path.exists()
    assert gateway.calls == ()
    assert clerk.prompts == []
    assert not PaymentOrder.objects.exists()


def test_a_live_address_behind_another_environment(
    clerk: Clerk, gateway: Simulator, tmp_path: Path, settings: Any
) -> None:
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    terminals["odd"] = {
        "API_KEY": "k",
        "ENVIRONMENT": "sandbox",
        "BASE_URL": "https://xpay.nexigroup.com/api/phoenix-0.0/psp/api/v1",
        "METHODS": "auto",
    }
    settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, "TERMINALS": terminals}
    with pytest.raises(CommandError, match="takes real money"):
        run(tmp_path / "hour.json", terminal="odd")
    assert gateway.calls == ()


def test_answers_are_choices_and_names(
    clerk: Clerk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = CARDS["challenge"].number
    tries = iter([number, "outcome=1", "paymentid, esito"])

    def answer(prompt: str, order: PaymentOrder) -> str:
        if "parameters" in prompt:
            return next(tries, "")
        return Clerk.answer(clerk, prompt, order)

    monkeypatch.setattr(clerk, "answer", answer)
    path = tmp_path / "hour.json"
    said = run(path, step="endings")
    assert said.count("Only names") == 2
    assert notes(path)["steps"]["endings"]["endings"]["pay"]["parameters"] == [
        "esito",
        "paymentid",
    ]
    assert number not in path.read_text()
    assert number not in said


def test_notes_refuse_what_they_must_not_hold(tmp_path: Path) -> None:
    path = tmp_path / "hour.json"
    kept = Notes(path, terminal="hour", environment="simulator")
    with pytest.raises(UnusableNotes):
        kept.write("x", {"said": CARDS["challenge"].number})
    assert not path.exists()
    kept.write("x", {"said": "paid"})
    with pytest.raises(UnusableNotes):
        Notes(path, terminal="other", environment="simulator")
    with pytest.raises(UnusableNotes):
        Notes(path, terminal="hour", environment="sandbox")
    path.write_text("no json")
    with pytest.raises(UnusableNotes):
        Notes(path, terminal="hour", environment="simulator")
