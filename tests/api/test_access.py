"""Permissions, throttles, and where a card may not be found."""

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
from nexi_payments.flows.hosted import nexi_links
from nexi_payments.models import CardVerification, Operation, PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.simulator import Simulator
from nexi_payments.testing import CardDataScan
from tests.support import warm_processes
from tests.support.api_clients import (
    ALL_PERMISSIONS,
    API_ROOT,
    PURCHASE,
    PayerClient,
    ShopServer,
    assert_problem,
    card_fields,
)
from tests.support.approvals import new_approval
from tests.support.contracts import make_contract
from tests.support.shopper import Shopper, new_order

ROOT = Path(__file__).resolve().parents[2]
CARD = Card("4349940199004549", "1230", "396")
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]

CONTRACTS = frozenset({"view_contract", "charge_contract", "end_contract"})
CHECKS = frozenset({"view_cardverification", "verify_card"})
READERS = (
    frozenset(ALL_PERMISSIONS) - {"add_paymentorder", "take_moto"} - CONTRACTS - CHECKS
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
    ("POST", "orders/ORDER/cancel/"): frozenset({"void_payment"}),
    ("POST", "orders/ORDER/cancel-capture/"): frozenset({"cancel_capture"}),
    ("GET", "orders/ORDER/nexi-link/"): frozenset({"take_moto"}),
    ("POST", "orders/ORDER/nexi-link/"): frozenset({"take_moto"}),
    ("POST", "orders/ORDER/nexi-link/renew/"): frozenset({"take_moto"}),
    ("POST", "orders/ORDER/nexi-link/cancel/"): frozenset({"take_moto"}),
    ("GET", "contracts/"): CONTRACTS,
    ("GET", "contracts/CARD/"): CONTRACTS,
    ("POST", "contracts/CARD/charge/"): frozenset({"charge_contract"}),
    ("POST", "contracts/CARD/end/"): frozenset({"end_contract"}),
    ("GET", "approvals/"): READERS,
    ("GET", "approvals/APPROVAL/"): READERS,
    ("POST", "approvals/APPROVAL/approve/"): frozenset({"approve_payment"}),
    ("POST", "approvals/APPROVAL/refuse/"): frozenset({"approve_payment"}),
    ("POST", "moto/"): frozenset({"take_moto"}),
    ("POST", "card-verifications/"): frozenset({"verify_card"}),
    ("GET", "card-verifications/CHECK/"): CHECKS,
}
LAST_DAY = nexi_links.last_days()[1].isoformat()
BODIES = {
    "orders/": {**PURCHASE, "reference": "R-2"},
    "orders/ORDER/nexi-link/": {"expires_on": LAST_DAY},
    "orders/ORDER/nexi-link/renew/": {"expires_on": LAST_DAY},
    "contracts/CARD/charge/": {**PURCHASE, "reference": "R-4"},
    "moto/": {**PURCHASE, **card_fields(), "reference": "R-3"},
    "card-verifications/": card_fields(),
    "approvals/APPROVAL/refuse/": {"reason": "no"},
}
WHO = [None, (), *((name,) for name in (*ALL_PERMISSIONS, "resolve_review"))]


@pytest.mark.parametrize("who", WHO)
def test_a_permission_for_each_deed(
    shopper: Shopper, gateway: Simulator, who: tuple[str, ...] | None
) -> None:
    order = shopper.pay(new_order(reference="R-1"))
    kept = make_contract(shopper)
    check = flows.verify_card(CARD)
    approval = new_approval(order)
    server = ShopServer(*(who or ()))
    if who is None:
        server.browser.logout()
    calls = len(gateway.calls)
    before = (PaymentOrder.objects.count(), Operation.objects.count())
    checks = CardVerification.objects.count()
    allowed = 0
    for (method, path), needed in DOORS.items():
        where = path.replace("ORDER", order.order_id)
        where = where.replace("CARD", kept.contract_id)
        where = where.replace("CHECK", check.order_id)
        where = where.replace("APPROVAL", str(approval.pk))
        if method == "GET":
            answer = server.get(where)
        else:
            answer = server.post(where, BODIES.get(path))
        if needed.intersection(who or ()):
            assert answer.status_code in (200, 201, 409), (path, answer.content)
            allowed += 1
        else:
            # the first way to log in, a session, has no challenge: 403 for nobody, too
            assert_problem(answer, 403, "permission_denied")
    if not allowed:
        assert len(gateway.calls) == calls
        assert (PaymentOrder.objects.count(), Operation.objects.count()) == before
        assert not IdempotencyRecord.objects.exists()
    asked = CardVerification.objects.count() - checks
    assert asked == (1 if "verify_card" in (who or ()) else 0)


def test_every_door_is_in_the_table() -> None:
    from nexi_payments.api import urls

    paths = {
        str(pattern.pattern)
        .replace("<str:id>", "ORDER")
        .replace("approvals/ORDER", "approvals/APPROVAL")
        .replace("contracts/ORDER", "contracts/CARD")
        .replace("card-verifications/ORDER", "card-verifications/CHECK")
        for pattern in urls.urlpatterns
        if not str(pattern.pattern).startswith("checkout/")
    }
    assert paths == {path for _, path in DOORS}


def test_a_session_needs_its_csrf_token(gateway: Simulator) -> None:
    server = ShopServer(*ALL_PERMISSIONS)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(server.user)
    answer = strict.post(
        API_ROOT + "orders/",
        PURCHASE,
        content_type="application/json",
        headers={"Idempotency-Key": "key-number-1"},
    )
    assert answer.status_code == 403
    assert not PaymentOrder.objects.exists()


def test_the_browser_that_pays_needs_no_cookie(gateway: Simulator) -> None:
    payer = PayerClient(new_order())
    payer.browser = Client(enforce_csrf_checks=True, HTTP_HOST="127.0.0.1:8000")
    answer = payer.pay()
    assert answer.json()["next_action"]["type"] == "redirect"
    assert not answer.cookies


def test_basic_authentication_works_out_of_the_box(gateway: Simulator) -> None:
    import base64

    server = ShopServer("add_paymentorder")
    server.user.set_password("secret")
    server.user.save()
    word = base64.b64encode(f"{server.user.username}:secret".encode()).decode()
    server.browser.logout()
    server.headers = {"Authorization": f"Basic {word}"}
    assert server.create()["state"] == "init"


@pytest.fixture
def limits(change_settings: Any) -> Any:
    cache.clear()
    # the throttles alone
    off = dict.fromkeys(("reference", "user", "clerk", "everyone"))
    yield lambda: change_settings(RATE_LIMITS=off)
    cache.clear()


def test_cards_are_throttled_by_purchase(
    gateway: Simulator, limits: Callable[[], None]
) -> None:
    limits()
    payer = PayerClient(new_order(reference="Ordine n. 1"))
    other = PayerClient(new_order())
    answers = [payer.pay() for _ in range(20)]
    assert [answer.status_code for answer in answers] == [200] * 20
    # each of them has made a new attempt: they count together
    last = PayerClient(answers[-1].json())
    refused = last.pay()
    body = assert_problem(refused, 429, "too_many_requests")
    assert 0 < int(refused["Retry-After"]) <= 61
    assert "Wait" in body["detail"]
    assert gateway.count("init") == 20
    # looking is another scope, and so is another shopper behind the same proxy
    assert last.get_checkout()["state"] == "awaiting_3ds"
    assert other.pay().status_code == 200


def test_the_host_sets_the_rates(
    gateway: Simulator, limits: Callable[[], None], settings: Any
) -> None:
    limits()
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"nexi_card": "1/hour"}}
    payer = PayerClient(new_order())
    assert payer.pay().status_code == 200
    assert_problem(payer.pay(), 429, "too_many_requests")


def test_calls_have_a_scope_of_their_own(
    gateway: Simulator, limits: Callable[[], None], settings: Any
) -> None:
    clerk = ShopServer("take_moto")
    limits()
    settings.REST_FRAMEWORK = {
        "DEFAULT_THROTTLE_RATES": {"nexi_moto": "1/hour", "nexi_card": "0/hour"}
    }
    assert clerk.post("moto/", {**PURCHASE, **card_fields()}).status_code == 201
    again = clerk.post("moto/", {**PURCHASE, **card_fields(), "reference": "R-2"})
    assert_problem(again, 429, "too_many_requests")
    assert gateway.count("moto") == 1


def test_checks_have_a_scope_of_their_own(
    gateway: Simulator, limits: Callable[[], None], settings: Any
) -> None:
    clerk = ShopServer("take_moto", "verify_card")
    limits()
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"nexi_verify": "1/hour"}}
    assert clerk.post("card-verifications/", card_fields()).status_code == 201
    refused = clerk.post("card-verifications/", card_fields())
    assert_problem(refused, 429, "too_many_requests")
    assert 0 < int(refused["Retry-After"]) <= 3601
    assert gateway.count("card_verification") == 1
    assert CardVerification.objects.count() == 1
    assert clerk.post("moto/", {**PURCHASE, **card_fields()}).status_code == 201


def test_servers_are_throttled_by_user(
    gateway: Simulator, limits: Callable[[], None], settings: Any
) -> None:
    one, other = ShopServer("view_paymentorder"), ShopServer("view_paymentorder")
    limits()
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"nexi_server": "1/hour"}}
    assert one.get("orders/").status_code == 200
    assert_problem(one.get("orders/"), 429, "too_many_requests")
    assert other.get("orders/").status_code == 200


# -- where a card may not be found -----------------------------------------------------


def breaking(monkeypatch: pytest.MonkeyPatch, where: str, name: str) -> None:
    import importlib

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(importlib.import_module(where), name, broken)


DEFECTS = [
    ("nexi_payments.flows", "start_payment"),
    ("nexi_payments.flows.ledger.outcomes", "of_init"),
    ("nexi_payments.flows.moto", "pay_moto"),
    ("nexi_payments.flows.moto", "possible_duplicates"),
    ("nexi_payments.api.idempotency", "link_order"),
    ("nexi_payments.api.checkout", "checkout_data"),
    ("nexi_payments.api.moto", "order_data"),
    ("nexi_payments.api.card_verification", "CardVerificationResponseSerializer"),
    ("nexi_payments.flows", "verify_card"),
    ("nexi_payments.flows.card_verification", "_outcome"),
    ("nexi_payments.conf", "client"),
    ("nexi_payments.gateway.payloads", "card_member"),
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
    payer, clerk = PayerClient(new_order()), ShopServer("take_moto", "verify_card")
    with CardDataScan() as leaks:
        if defect is not None:
            breaking(monkeypatch, *defect)
        broken = 0
        for caller, path, body in (
            (payer, f"checkout/{payer.id}/pay/", card_fields()),
            (clerk, "moto/", {**PURCHASE, **card_fields()}),
            (clerk, "moto/", {**PURCHASE, **card_fields("declined"), "odd": 1}),
            (clerk, "moto/", {**PURCHASE, **card_fields(), "card_number": "4" * 40}),
            (clerk, "card-verifications/", card_fields()),
            (clerk, "card-verifications/", {**card_fields("declined"), "odd": 1}),
            (clerk, "card-verifications/", {**card_fields(), "card_number": "4" * 40}),
        ):
            caller.browser.raise_request_exception = False
            broken += caller.post(path, body).status_code == 500
        # a defect while the request is made up is "not sent", and no error page
        handled = (None, ("nexi_payments.gateway.payloads", "card_member"))
        assert bool(broken) == (defect not in handled)
        assert leaks.secrets == {"4349940199004549", "4349940199997007"}
        leaks.secrets.add("4" * 40)
        assert leaks.findings() == []


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
from nexi_payments.api import idempotency
from nexi_payments.conf import gateway_factory
from nexi_payments.flows import moto
from nexi_payments.simulator import Simulator
from nexi_payments.testing import CardDataScan
from tests.support.api_clients import PURCHASE, PayerClient, ShopServer, card_fields
from tests.support.shopper import new_order
gateway = Simulator()
gateway_factory.simulator = conf.simulator = lambda: gateway
def broken(*args, **kwargs):
    raise ZeroDivisionError
with CardDataScan() as leaks:
    payer, clerk = PayerClient(new_order()), ShopServer("take_moto", "verify_card")
    for caller in (payer, clerk):
        caller.browser.raise_request_exception = False
    for where, name in ((flows.three_ds.outcomes, "of_init"), (idempotency,
    "link_order")):
        real = getattr(where, name)
        setattr(where, name, broken)
        assert payer.pay().status_code == 500
        setattr(where, name, real)
    moto.possible_duplicates = broken
    assert clerk.post("moto/", {**PURCHASE, **card_fields()}).status_code == 500
    flows.card_verification._outcome = broken
    assert clerk.post("card-verifications/", card_fields()).status_code == 500
    sentry_sdk.flush()
    errors = [one for one in sent if b"ZeroDivisionError" in one.serialize()]
    print(len(errors), leaks.findings())
"""


def test_what_sentry_would_be_sent(migrated: Path) -> None:
    done = warm_processes.run(
        *("-c", SENTRY),
        env={
            "PATH": "",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{migrated}",
        },
        cwd=ROOT,
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
        env={"DJANGO_SETTINGS_MODULE": "tests.hosts.minimal_settings", "PATH": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
