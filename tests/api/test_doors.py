"""Who may do what, how often, and where a card may not be found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import pytest
from django.core.cache import cache
from django.test import Client

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.models import CardCheck, KeptAnswer, Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.testing import Leaks
from tests.api.caller import API, EVERYTHING, PURCHASE, Payer, Server, card, problem
from tests.cards_on_file import on_file
from tests.shopper import Shopper, new_order

ROOT = Path(__file__).resolve().parents[2]
CARD = Card("4349940199004549", "1230", "396")
pytestmark = pytest.mark.django_db(transaction=True)

CONTRACTS = frozenset({"view_contract", "charge_contract", "end_contract"})
CHECKS = frozenset({"view_cardcheck", "verify_card"})
READERS = (
    frozenset(EVERYTHING) - {"add_paymentorder", "take_moto"} - CONTRACTS - CHECKS
) | {"resolve_review"}
#: path and method → whose permission opens it; ORDER is a paid order's id
DOORS: dict[tuple[str, str], frozenset[str]] = {
    ("GET", "orders/"): READERS,
    ("GET", "orders/ORDER/"): READERS,
    ("GET", "orders/ORDER/operations/"): READERS,
    ("POST", "orders/"): frozenset({"add_paymentorder"}),
    ("POST", "orders/ORDER/capture/"): frozenset({"capture_payment"}),
    ("POST", "orders/ORDER/void/"): frozenset({"void_payment"}),
    ("POST", "orders/ORDER/refund/"): frozenset({"refund_payment"}),
    ("POST", "orders/ORDER/reconcile/"): frozenset({"reconcile_payment"}),
    ("POST", "orders/ORDER/cancel/"): frozenset({"cancel_capture"}),
    ("GET", "contracts/"): CONTRACTS,
    ("GET", "contracts/CARD/"): CONTRACTS,
    ("POST", "contracts/CARD/charge/"): frozenset({"charge_contract"}),
    ("POST", "contracts/CARD/end/"): frozenset({"end_contract"}),
    ("POST", "moto/"): frozenset({"take_moto"}),
    ("POST", "checks/"): frozenset({"verify_card"}),
    ("GET", "checks/CHECK/"): CHECKS,
}
BODIES = {
    "orders/": {**PURCHASE, "reference": "R-2"},
    "contracts/CARD/charge/": {**PURCHASE, "reference": "R-4"},
    "moto/": {**PURCHASE, **card(), "reference": "R-3"},
    "checks/": card(),
}
WHO = [None, (), *((name,) for name in (*EVERYTHING, "resolve_review"))]


@pytest.mark.parametrize("who", WHO)
def test_a_permission_for_each_deed(
    shopper: Shopper, gateway: Simulator, who: tuple[str, ...] | None
) -> None:
    order = shopper.pay(new_order(reference="R-1"))
    kept = on_file(shopper)
    check = flows.verify_card(CARD)
    server = Server(*(who or ()))
    if who is None:
        server.browser.logout()
    calls = len(gateway.calls)
    before = (PaymentOrder.objects.count(), Operation.objects.count())
    checks = CardCheck.objects.count()
    allowed = 0
    for (method, path), needed in DOORS.items():
        where = path.replace("ORDER", order.public_id)
        where = where.replace("CARD", kept.contract_id)
        where = where.replace("CHECK", check.order_id)
        if method == "GET":
            answer = server.get(where)
        else:
            answer = server.post(where, BODIES.get(path))
        if needed.intersection(who or ()):
            assert answer.status_code in (200, 201, 409), (path, answer.content)
            allowed += 1
        else:
            # the first way to log in, a session, has no challenge: 403 for nobody, too
            problem(answer, 403, "not_allowed")
    if not allowed:
        assert len(gateway.calls) == calls
        assert (PaymentOrder.objects.count(), Operation.objects.count()) == before
        assert not KeptAnswer.objects.exists()
    asked = CardCheck.objects.count() - checks
    assert asked == (1 if "verify_card" in (who or ()) else 0)


def test_every_door_is_in_the_table() -> None:
    from nexi_payments.api import urls

    paths = {
        str(pattern.pattern)
        .replace("<str:id>", "ORDER")
        .replace("contracts/ORDER", "contracts/CARD")
        .replace("checks/ORDER", "checks/CHECK")
        for pattern in urls.urlpatterns
        if not str(pattern.pattern).startswith("checkout/")
    }
    assert paths == {path for _, path in DOORS}


def test_a_session_needs_its_csrf_token(gateway: Simulator) -> None:
    server = Server(*EVERYTHING)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(server.user)
    answer = strict.post(
        API + "orders/",
        PURCHASE,
        content_type="application/json",
        headers={"Idempotency-Key": "key-number-1"},
    )
    assert answer.status_code == 403
    assert not PaymentOrder.objects.exists()


def test_the_browser_that_pays_needs_no_cookie(gateway: Simulator) -> None:
    payer = Payer(new_order())
    payer.browser = Client(enforce_csrf_checks=True, HTTP_HOST="127.0.0.1:8000")
    answer = payer.pay()
    assert answer.json()["next_action"]["type"] == "redirect"
    assert not answer.cookies


def test_basic_authentication_works_out_of_the_box(gateway: Simulator) -> None:
    import base64

    server = Server("add_paymentorder")
    server.user.set_password("secret")
    server.user.save()
    word = base64.b64encode(f"{server.user.username}:secret".encode()).decode()
    server.browser.logout()
    server.headers = {"Authorization": f"Basic {word}"}
    assert server.create()["state"] == "init"


@pytest.fixture
def limits(nexi: Any) -> Any:
    cache.clear()
    yield lambda: nexi(RATE_LIMITS={"everyone": None})
    cache.clear()


def test_cards_are_throttled_by_purchase(
    gateway: Simulator, limits: Callable[[], None]
) -> None:
    limits()
    payer = Payer(new_order(reference="Ordine n. 1"))
    other = Payer(new_order())
    answers = [payer.pay() for _ in range(20)]
    assert [answer.status_code for answer in answers] == [200] * 20
    # each of them has made a new attempt: they count together
    last = Payer(answers[-1].json())
    refused = last.pay()
    body = problem(refused, 429, "too_many_requests")
    assert 0 < int(refused["Retry-After"]) <= 61
    assert "Wait" in body["detail"]
    assert gateway.count("init") == 20
    # looking is another scope, and so is another shopper behind the same proxy
    assert last.look()["state"] == "awaiting_3ds"
    assert other.pay().status_code == 200


def test_the_host_sets_the_rates(
    gateway: Simulator, limits: Callable[[], None], settings: Any
) -> None:
    limits()
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"nexi_card": "1/hour"}}
    payer = Payer(new_order())
    assert payer.pay().status_code == 200
    problem(payer.pay(), 429, "too_many_requests")


def test_calls_have_a_scope_of_their_own(
    gateway: Simulator, limits: Callable[[], None], settings: Any
) -> None:
    clerk = Server("take_moto")
    limits()
    settings.REST_FRAMEWORK = {
        "DEFAULT_THROTTLE_RATES": {"nexi_moto": "1/hour", "nexi_card": "0/hour"}
    }
    assert clerk.post("moto/", {**PURCHASE, **card()}).status_code == 201
    again = clerk.post("moto/", {**PURCHASE, **card(), "reference": "R-2"})
    problem(again, 429, "too_many_requests")
    assert gateway.count("moto") == 1


def test_checks_have_a_scope_of_their_own(
    gateway: Simulator, limits: Callable[[], None], settings: Any
) -> None:
    clerk = Server("take_moto", "verify_card")
    limits()
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"nexi_verify": "1/hour"}}
    assert clerk.post("checks/", card()).status_code == 201
    refused = clerk.post("checks/", card())
    problem(refused, 429, "too_many_requests")
    assert 0 < int(refused["Retry-After"]) <= 3601
    assert gateway.count("card_verification") == 1
    assert CardCheck.objects.count() == 1
    assert clerk.post("moto/", {**PURCHASE, **card()}).status_code == 201


def test_servers_are_throttled_by_user(
    gateway: Simulator, limits: Callable[[], None], settings: Any
) -> None:
    one, other = Server("view_paymentorder"), Server("view_paymentorder")
    limits()
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"nexi_server": "1/hour"}}
    assert one.get("orders/").status_code == 200
    problem(one.get("orders/"), 429, "too_many_requests")
    assert other.get("orders/").status_code == 200


# -- where a card may not be found -----------------------------------------------------


def breaking(monkeypatch: pytest.MonkeyPatch, where: str, name: str) -> None:
    import importlib

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(importlib.import_module(where), name, broken)


DEFECTS = [
    ("nexi_payments.flows", "start_payment"),
    ("nexi_payments.flows.checkout", "_waiting"),
    ("nexi_payments.flows.moto", "pay_moto"),
    ("nexi_payments.flows.moto", "alike"),
    ("nexi_payments.api.keys", "point_at"),
    ("nexi_payments.api.checkout", "standing"),
    ("nexi_payments.api.desk", "OrderOut"),
    ("nexi_payments.api.desk", "CheckOut"),
    ("nexi_payments.flows", "verify_card"),
    ("nexi_payments.flows.verifying", "_outcome"),
    ("nexi_payments.conf", "client"),
    ("nexi_payments.gateway.payloads", "card"),
]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("defect", [None, *DEFECTS])
def test_a_card_is_found_nowhere(
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    defect: tuple[str, str] | None,
    debug: bool,
) -> None:
    settings.DEBUG = debug
    ops = "ops@example.com"
    settings.ADMINS = [ops if django.VERSION >= (6, 0) else ("Ops", ops)]
    payer, clerk = Payer(new_order()), Server("take_moto", "verify_card")
    with Leaks() as leaks:
        if defect is not None:
            breaking(monkeypatch, *defect)
        broken = 0
        for caller, path, body in (
            (payer, f"checkout/{payer.id}/pay/", card()),
            (clerk, "moto/", {**PURCHASE, **card()}),
            (clerk, "moto/", {**PURCHASE, **card("declined"), "odd": 1}),
            (clerk, "moto/", {**PURCHASE, **card(), "card_number": "4" * 40}),
            (clerk, "checks/", card()),
            (clerk, "checks/", {**card("declined"), "odd": 1}),
            (clerk, "checks/", {**card(), "card_number": "4" * 40}),
        ):
            caller.browser.raise_request_exception = False
            broken += caller.post(path, body).status_code == 500
        # a defect while the request is made up is "not sent", and no error page
        handled = (None, ("nexi_payments.gateway.payloads", "card"))
        assert bool(broken) == (defect not in handled)
        assert leaks.secrets == {"4349940199004549", "4349940199997007"}
        leaks.secrets.add("4" * 40)
        assert leaks.found() == []


SENTRY = """
import sentry_sdk
from sentry_sdk.transport import Transport
sent = []
class Keeps(Transport):
    def capture_envelope(self, envelope): sent.append(envelope)
sentry_sdk.init("https://k@sentry.invalid/1", transport=Keeps, traces_sample_rate=1.0,
                send_default_pii=True, max_request_body_size="always")
import django
django.setup()
from django.core.management import call_command
from django.test.utils import setup_test_environment
setup_test_environment()
call_command("migrate", verbosity=0)
from nexi_payments import conf, flows
from nexi_payments.api import keys
from nexi_payments.conf import links
from nexi_payments.flows import moto
from nexi_payments.simulator import Simulator
from nexi_payments.testing import Leaks
from tests.api.caller import PURCHASE, Payer, Server, card
from tests.shopper import new_order
gateway = Simulator()
links.simulator = conf.simulator = lambda: gateway
def broken(*args, **kwargs):
    raise ZeroDivisionError
with Leaks() as leaks:
    payer, clerk = Payer(new_order()), Server("take_moto", "verify_card")
    for caller in (payer, clerk):
        caller.browser.raise_request_exception = False
    for where, name in ((flows.checkout.verdicts, "of_init"), (keys, "point_at")):
        real = getattr(where, name)
        setattr(where, name, broken)
        assert payer.pay().status_code == 500
        setattr(where, name, real)
    moto.alike = broken
    assert clerk.post("moto/", {**PURCHASE, **card()}).status_code == 500
    flows.verifying._outcome = broken
    assert clerk.post("checks/", card()).status_code == 500
    sentry_sdk.flush()
    errors = [one for one in sent if b"ZeroDivisionError" in one.serialize()]
    print(len(errors), leaks.found())
"""


def test_what_sentry_would_be_sent(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SENTRY],
        env={
            "PATH": "",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'sentry.sqlite3'}",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["4 []"]


def test_rest_framework_is_not_imported_until_the_api_is_mounted() -> None:
    code = (
        "import django, sys; django.setup();"
        "import nexi_payments.api, nexi_payments.urls, nexi_payments.views;"
        "from django.core.management import call_command; call_command('check');"
        "print([m for m in ('rest_framework', 'drf_spectacular') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"DJANGO_SETTINGS_MODULE": "tests.hosts.plain", "PATH": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
