"""Each check can be provoked, says what to do, and stands in docs/checks.md."""

from __future__ import annotations

import ast
import base64
import hashlib
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.checks import CheckMessage, run_checks
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.utils import timezone

from nexi_payments import signals
from nexi_payments.models import PaymentOrder
from nexi_payments.models.bookkeeping import Heartbeat
from tests.support.shopper import new_order

pytestmark = pytest.mark.seen_on("sqlite", "postgresql")

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted((ROOT / "nexi_payments").joinpath("checks").glob("*.py"))
KEY = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="
LIVE = {"API_KEY": "k", "ENVIRONMENT": "production"}
DESK = {**LIVE, "MOTO": True}
METHODS = {**LIVE, "METHODS": "auto"}
ON_NEXIS_PAGE = {**LIVE, "CARDS": "hosted_page"}
GOOD: dict[str, Any] = {
    "TERMINALS": {"default": LIVE},
    "PUBLIC_URL": "https://shop.example",
    "SEALED_CARD_KEYS": [KEY],
    "SEALED_CARD_CVV": False,
}


def receive(**kwargs: Any) -> None:
    """The shop's."""


@pytest.fixture(autouse=True)
def a_shop_that_is_well(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.delenv("GUNICORN_CMD_ARGS", raising=False)
    settings.NEXI_PAYMENTS = GOOD
    settings.ALLOWED_HOSTS = ["*"]
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache"}
    }
    signals.payment_paid.connect(receive)
    yield
    signals.payment_paid.disconnect(receive)


def told(**options: Any) -> list[CheckMessage]:
    options = {"tags": ["security"], "include_deployment_checks": True, **options}
    return [
        one for one in run_checks(**options) if str(one.id).startswith("nexi_payments")
    ]


def ids(**options: Any) -> set[str]:
    return {str(one.id).removeprefix("nexi_payments.") for one in told(**options)}


def text(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()


def sandbox(**more: Any) -> dict[str, Any]:
    return {"API_KEY": "k", "ENVIRONMENT": "sandbox", **more}


def test_nothing_is_said_about_a_shop_that_is_well() -> None:
    assert told() == []


SANDBOX_URL = "https://xpaysandbox.nexigroup.com/api/phoenix-0.0/psp/api/v1"
SECRET = "tests-only"
LONG = "a secret key of more than thirty-two characters"

#: id → (keys of NEXI_PAYMENTS, other settings)
WRONG: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("E001", {"SEALED_CARD_TLL": 1}, {}),
    ("E002", {"PUBLIC_URL": ""}, {}),
    ("E003", {"PUBLIC_URL": "https://shop.example/pay"}, {}),
    ("E004", {}, {"ROOT_URLCONF": "tests.support.urls_empty"}),
    ("E005", {"SEALED_CARD_KEYS": []}, {}),
    ("E006", {"TERMINALS": {"default": {**LIVE, "LINK_TERMINAL": "gone"}}}, {}),
    (
        "E007",
        {
            "TERMINALS": {"default": {**LIVE, "FLOW": "2steps"}},
            "REQUIRE_LIABILITY_SHIFT": True,
        },
        {},
    ),
    ("E017", {}, {"USE_TZ": False}),
    (
        "E018",
        {},
        {"TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]},
    ),
    ("E018", {}, {"TEMPLATES": []}),
    (
        "E019",
        {"SEALED_CARD_KEYS": [KEY, text(LONG[:32].encode())]},
        {"SECRET_KEY": LONG},
    ),
    (
        "E019",
        {"SEALED_CARD_KEYS": [text(hashlib.sha256(SECRET.encode()).digest())]},
        {},
    ),
    (
        "E019",
        {
            "SEALED_CARD_KEYS": [
                text(
                    hashlib.sha256(
                        f"nexi_payments/sealed_cards/{SECRET}".encode()
                    ).digest()
                )
            ]
        },
        {},
    ),
    ("E020", {"TERMINALS": {"default": {**LIVE, "BASE_URL": SANDBOX_URL}}}, {}),
    ("E021", {}, {"DEBUG": True}),
    (
        "E026",
        {"TERMINALS": {"default": {**ON_NEXIS_PAGE, "HOSTED_TERMINAL": "gone"}}},
        {},
    ),
    (
        "W033",
        {
            "TERMINALS": {"default": ON_NEXIS_PAGE},
            "PUBLIC_URL": "https://a.example:8443",
        },
        {},
    ),
    (
        "W034",
        {
            "TERMINALS": {"default": {**LIVE, "METHODS": ["PAYPAL", "MYBANK"]}},
            "DUPLICATES": "refund",
        },
        {},
    ),
    ("W002", {"SEALED_CARD_KEYS": [KEY, KEY]}, {}),
    ("W003", {"SEALED_CARD_TTL": 901}, {}),
    ("W051", {"AUDIT_RETENTION": 365 * 86_400}, {}),
    ("W004", {"SETTLE_AFTER": 10}, {}),
    ("W009", {"TERMINALS": {"default": {**LIVE, "API_KEY": "ALIAS_WEB_00012345"}}}, {}),
    ("W009", {"TERMINALS": {"default": {**LIVE, "API_KEY": "payment_3444168"}}}, {}),
    ("W011", {"SEALED_CARD_CVV": True}, {}),
    ("W015", {"TERMINALS": {"default": LIVE}, "PUBLIC_URL": "https://localhost"}, {}),
    ("W016", {}, {"SECURE_CSP": {"form-action": ["'none'"]}}),
    ("W016", {}, {"SECURE_CSP": {"form-action": "https://bank.example"}}),
    (
        "W016",
        {},
        {"CONTENT_SECURITY_POLICY": {"DIRECTIVES": {"form-action": ["evil.example"]}}},
    ),
    ("W016", {}, {"CSP_FORM_ACTION": ("https://other.example:8443",)}),
    ("W017", {}, {"SESSION_COOKIE_SAMESITE": "None"}),
    ("W017", {}, {"CSRF_COOKIE_SAMESITE": "None"}),
    ("W018", {}, {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}),
    ("W018", {}, {"USE_X_FORWARDED_HOST": True}),
]


@pytest.mark.parametrize(("found", "ours", "others"), WRONG)
def test_what_is_wrong_is_said_and_nothing_else(
    settings: Any, found: str, ours: dict[str, Any], others: dict[str, Any]
) -> None:
    settings.NEXI_PAYMENTS = {**GOOD, **ours}
    for name, value in others.items():
        setattr(settings, name, value)
    assert ids() == {found}
    for one in told():
        assert one.hint
        assert KEY not in f"{one.msg}{one.hint}"


@pytest.mark.parametrize(
    "others",
    [
        {"SECURE_CSP": {"form-action": ["'self'"]}},
        {"SECURE_CSP": {"form-action": ["https:"]}},
        {"SECURE_CSP": {"default-src": ["'none'"]}},
        {"SECURE_CSP": {"form-action": []}},
        {"SECURE_CSP": {"form-action": "'self' https://bank.example"}},
        {"CSP_FORM_ACTION": ["https://shop.example"]},
        {"CSP_FORM_ACTION": ["shop.example:443"]},
        {"CSP_FORM_ACTION": ["*.example"]},
        {"CONTENT_SECURITY_POLICY": {"DIRECTIVES": {}}},
        {"SESSION_COOKIE_SAMESITE": "None", "SESSION_COOKIE_SECURE": True},
        {"SESSION_COOKIE_SAMESITE": "Strict"},
    ],
)
def test_what_is_right_is_not_complained_about(
    settings: Any, others: dict[str, Any]
) -> None:
    for name, value in others.items():
        setattr(settings, name, value)
    assert ids() == set()


def test_a_known_proxy(settings: Any) -> None:
    settings.USE_X_FORWARDED_HOST = True
    settings.NEXI_PAYMENTS = {**GOOD, "TRUSTED_PROXIES": ["10.0.0.0/8"]}
    assert ids() == set()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--timeout 20", {"W019"}),
        ("--workers 4 -t 25", {"W019"}),
        ("-t20", {"W019"}),
        ("--timeout=25 --bind :80", {"W019"}),
        ("--timeout=26", set()),
        ("--timeout 0", set()),
        ("--graceful-timeout 5", set()),
        ("--timeout soon", set()),
        ("", set()),
    ],
)
def test_gunicorn(monkeypatch: pytest.MonkeyPatch, words: str, found: set[str]) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", words)
    assert ids() == found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("GUNICORN_CMD_ARGS", "--bind unix:/run/shop.sock --workers 3", {"W036"}),
        ("GUNICORN_CMD_ARGS", "--bind=unix:/run/shop.sock", {"W036"}),
        ("GUNICORN_CMD_ARGS", "-b unix:shop.sock", {"W036"}),
        ("GUNICORN_CMD_ARGS", "--bind 127.0.0.1:8000", set()),
        ("UVICORN_UDS", "/run/shop.sock", {"W036"}),
        ("UVICORN_UDS", "", set()),
    ],
)
def test_a_unix_socket(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    found: set[str],
) -> None:
    monkeypatch.setenv(name, value)
    assert ids() == found
    settings.NEXI_PAYMENTS = {**GOOD, "TRUSTED_PROXIES": ["unix"]}
    assert ids() == set()


def test_nobody_receives() -> None:
    signals.payment_paid.disconnect(receive)
    assert ids() == {"W021"}
    assert ids(include_deployment_checks=False) == set()


def test_the_desk(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.NEXI_PAYMENTS = {**GOOD, "TERMINALS": {"default": DESK}}
    assert ids() == {"W013", "W014"}
    settings.DEFAULT_FROM_EMAIL = "desk@shop.example"
    assert ids() == {"W013"}
    settings.INSTALLED_APPS = [
        one for one in settings.INSTALLED_APPS if one != "django.contrib.admin"
    ]
    settings.ROOT_URLCONF = "tests.support.urls_without_admin"
    assert ids() == {"W008"}
    settings.ROOT_URLCONF = "tests.support.urls_with_api_only"
    assert ids() == set()


def test_a_desk_that_takes_no_cards(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "desk@shop.example"
    terminals = {"default": {**DESK, "CARDS": "hosted_page"}}
    settings.NEXI_PAYMENTS = {**GOOD, "TERMINALS": terminals}
    assert ids() == {"W032"}  # and no second factor for cards


def test_no_sealed_cards_where_no_terminal_takes_cards(settings: Any) -> None:
    shop = {**GOOD, "SEALED_CARD_KEYS": [], "SEALED_CARD_CVV": True}
    settings.NEXI_PAYMENTS = {**shop, "TERMINALS": {"default": ON_NEXIS_PAGE}}
    assert ids() == set()
    terminals = {"default": ON_NEXIS_PAGE, "cards": LIVE}
    settings.NEXI_PAYMENTS = {**shop, "TERMINALS": terminals}
    assert ids() == {"E005", "W011"}


def test_the_terminal_that_opens_the_page(settings: Any) -> None:
    shop = {**METHODS, "HOSTED_TERMINAL": "opener"}
    terminals = {"default": shop, "opener": sandbox(API_KEY="other")}
    settings.NEXI_PAYMENTS = {**GOOD, "TERMINALS": terminals}
    assert ids() == {"E027", "W010"}
    terminals["opener"] = {**LIVE, "API_KEY": "other"}
    settings.NEXI_PAYMENTS = {**GOOD, "TERMINALS": terminals}
    assert ids() == set()


@pytest.mark.parametrize(
    "ours",
    [
        {"DUPLICATES": "refund"},
        {"TERMINALS": {"default": METHODS}, "DUPLICATES": "refund"},
        {"TERMINALS": {"default": {**LIVE, "METHODS": ["MYBANK"]}}},
        {"PUBLIC_URL": "https://a.example:8443"},
        {"TERMINALS": {"default": METHODS}, "PUBLIC_URL": "https://a.example:443"},
    ],
)
def test_what_is_right_about_the_hosted_page(
    settings: Any, ours: dict[str, Any]
) -> None:
    settings.NEXI_PAYMENTS = {**GOOD, **ours}
    assert ids() == set()


def test_the_api_and_the_cache_it_counts_in(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("locmem.LocMemCache", "dummy.DummyCache"):
        backend = f"django.core.cache.backends.{kind}"
        settings.CACHES = {"default": {"BACKEND": backend}}
        settings.ROOT_URLCONF = "tests.support.urls_without_admin"
        assert ids() == set()
        settings.ROOT_URLCONF = "tests.support.urls_with_api_only"
        assert ids() == {"W020"}


def test_one_key_in_two_environments(settings: Any) -> None:
    terminals = {"default": LIVE, "test": sandbox()}
    settings.NEXI_PAYMENTS = {**GOOD, "TERMINALS": terminals}
    assert ids() == {"E022", "W010"}
    settings.NEXI_PAYMENTS = {
        **GOOD,
        "TERMINALS": {**terminals, "test": sandbox(API_KEY="other"), "desk": LIVE},
    }
    assert ids() == {"W010"}


def test_the_simulator(settings: Any) -> None:
    simulator = {"ENVIRONMENT": "simulator"}
    settings.NEXI_PAYMENTS = {**GOOD, "TERMINALS": {"default": simulator}}
    assert ids() == {"E010"}
    terminals = {"default": LIVE, "test": simulator}
    settings.NEXI_PAYMENTS = {**GOOD, "TERMINALS": terminals}
    assert ids() == {"E009", "E010"}
    settings.NEXI_PAYMENTS = {"TERMINALS": {"default": {}}, "SEALED_CARD_CVV": False}
    settings.DEBUG = True
    assert ids() == {"E010", "W012"}


@pytest.mark.parametrize(
    ("public_url", "allowed", "hint"),
    [
        ("", ["127.0.0.1"], "Add 'localhost' to ALLOWED_HOSTS"),
        ("", ["localhost"], "Add '127.0.0.1' to ALLOWED_HOSTS"),
        ("", ["shop.test"], "Add '127.0.0.1', 'localhost' to ALLOWED_HOSTS"),
        ("http://localhost:8000", ["localhost"], "Add '127.0.0.1' to ALLOWED_HOSTS"),
        ("", [], ""),
        ("", ["*"], ""),
        ("", ["127.0.0.1", ".localhost"], ""),
        ("https://shop.test", ["shop.test"], ""),
    ],
)
def test_the_host_name_of_the_simulated_issuer(
    settings: Any, public_url: str, allowed: list[str], hint: str
) -> None:
    settings.DEBUG, settings.ALLOWED_HOSTS = True, allowed
    settings.NEXI_PAYMENTS = {"TERMINALS": {"default": {}}, "PUBLIC_URL": public_url}
    found = [one.hint for one in told(include_deployment_checks=False)]
    assert [str(one).split(".\n")[0].partition(". ")[0] for one in found] == (
        [hint] if hint else []
    )
    assert ids(include_deployment_checks=False) == ({"W030"} if hint else set())


def test_the_file_of_the_simulator(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(mail, "outbox")  # as outside tests
    settings.DEBUG = True
    postgres = {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}
    monkeypatch.setitem(settings.DATABASES, "default", postgres)
    settings.NEXI_PAYMENTS = {"TERMINALS": {"default": {}}}
    assert ids(include_deployment_checks=False) == {"W031"}
    settings.BASE_DIR = tmp_path
    assert ids(include_deployment_checks=False) == set()
    missing = str(tmp_path / "missing" / "file.sqlite3")
    settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, "SIMULATOR_STATE": missing}
    (found,) = told(include_deployment_checks=False)
    assert found.msg == f"The simulator cannot write {missing}."
    settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, "SIMULATOR_STATE": ":memory:"}
    assert ids(include_deployment_checks=False) == set()


def test_static_files_on_another_host(settings: Any, tmp_path: Path) -> None:
    assert ids() == set()
    settings.STATIC_URL = "https://cdn.example/s/"
    assert ids() == {"W024"}
    settings.NEXI_PAYMENTS = {**GOOD, "INTEGRITY": True}
    assert ids() == set()
    settings.STATIC_URL = "https://shop.example/static/"  # the shop's own
    settings.NEXI_PAYMENTS = GOOD
    assert ids() == set()


class Own(WSGIHandler):
    """A handler of the host's."""

    def load_middleware(self, is_async: bool = False) -> None:
        self._middleware_chain = self._get_response


class Wrapper:
    def __init__(self, app: Any) -> None:
        self.app = app


own, usual = Wrapper(Wrapper(Own())), Wrapper(WSGIHandler())


@pytest.mark.parametrize("setting", ["WSGI_APPLICATION", "ASGI_APPLICATION"])
@pytest.mark.parametrize(
    ("dotted", "found"),
    [("own", {"W025"}), ("usual", set()), ("Wrapper", set()), ("nothing", set())],
)
def test_a_handler_of_the_hosts_own(
    settings: Any, setting: str, dotted: str, found: set[str]
) -> None:
    setattr(settings, setting, f"{__name__}.{dotted}")
    assert ids() == found


def test_hashes_of_files_that_are_not_there(settings: Any) -> None:
    settings.STATIC_URL = settings.STATIC_URL  # a change of it forgets all hashes
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if not name.endswith("staticfiles")
    ]
    assert ids() == set()
    settings.NEXI_PAYMENTS = {**GOOD, "INTEGRITY": True}
    assert ids() == {"W023"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"TERMINAL": {}}, "'TERMINAL'. Did you mean 'TERMINALS'?"),
        (
            {"TERMINALS": {"default": {**LIVE, "API_KEI": "k"}}},
            "['TERMINALS']['default'] has an unknown key 'API_KEI'. Did you mean"
            " 'API_KEY'?",
        ),
        (
            {"RATE_LIMITS": {"adress": (1, 1)}},
            "['RATE_LIMITS'] has an unknown key 'adress'. Did you mean 'address'?",
        ),
        (
            {"TERMINALS": {"default": {**LIVE, "FLOW": "3step"}}},
            "['FLOW'] is '3step'; it must be one of 3steps, 2steps. Did you mean"
            " '3steps'?",
        ),
    ],
)
def test_an_unknown_name_has_a_neighbour(
    settings: Any, wrong: dict[str, Any], words: str
) -> None:
    settings.NEXI_PAYMENTS = {**GOOD, **wrong}
    (found,) = told()
    assert words in found.msg


# -- of the database -------------------------------------------------------------------


def reconciler() -> bool:
    found = run_checks(tags=["database"], databases=["default"])
    return "nexi_payments.W022" in {one.id for one in found}


@pytest.mark.django_db
def test_nobody_reconciles() -> None:
    assert not reconciler()  # nothing was ever sold here
    order = new_order()
    assert not reconciler()  # just now
    long_ago = timezone.now() - timedelta(minutes=11)
    PaymentOrder.objects.filter(pk=order.pk).update(created_at=long_ago)
    assert reconciler()
    last = Heartbeat.objects.create(name="reconcile", ended_at=timezone.now())
    assert not reconciler()
    Heartbeat.objects.filter(pk=last.pk).update(ended_at=long_ago)
    assert reconciler()


@pytest.mark.django_db(transaction=True)
def test_before_the_first_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Heartbeat._meta, "db_table", "not_there_yet")
    monkeypatch.setattr(PaymentOrder._meta, "db_table", "not_there_either")
    assert not reconciler()
    assert connection.is_usable()


# -- all of them -----------------------------------------------------------------------


def messages() -> Iterator[dict[str, str]]:
    """id and hint of each check as they stand in the code."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", "")
            if isinstance(node, ast.Call) and name in ("Error", "Warning"):
                given = {one.arg: one.value for one in node.keywords if one.arg}
                yield {
                    "id": ast.literal_eval(given["id"]),
                    "hint": ast.unparse(given["hint"]) if "hint" in given else "",
                }


def words(text: str) -> set[str]:
    return {one.lower() for one in re.findall(r"[A-Za-z_]{4,}", text)}


def rows() -> dict[str, str]:
    page = (ROOT / "docs" / "checks.md").read_text()
    found = re.findall(r"^\| `(nexi_payments\.\w+)` \|.+?\| (.+) \|$", page, re.M)
    assert len(found) == len(dict(found))
    return dict(found)


def test_each_says_what_to_do_and_so_does_the_page() -> None:
    page = rows()
    every = list(messages())
    assert {one["id"] for one in every} == set(page)
    assert len(page) >= 30
    for one in every:
        assert one["hint"], one
        common = words(one["hint"]) & words(page[one["id"]])
        assert len(common) >= 2, (one, page[one["id"]])


def test_each_has_a_test_that_provokes_it() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    provoked = set(re.findall(r'"(?:nexi_payments\.)?([EW]\d{3})"', tests))
    assert {one["id"].removeprefix("nexi_payments.") for one in messages()} <= provoked


def test_they_are_quick() -> None:
    """All of ours together: 60 ms is what a developer does not notice. Counted is the
    work of this thread, not what else the machine does meanwhile."""
    from nexi_payments.checks import (
        configuration,
        deployment,
        routers,
        simulator,
        way_back,
    )

    def run() -> float:
        began = time.thread_time()
        for check in (
            configuration.check_settings,
            simulator.check_simulator,
            routers.check_router,
            way_back.check_way_back,
            way_back.check_domains,
            deployment.check_deployment,
        ):
            check()
        return time.thread_time() - began

    assert min(run() for _ in range(5)) < 0.06
