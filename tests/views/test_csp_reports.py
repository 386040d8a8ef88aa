"""Reports of a violated policy: logged without secrets, within limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from nexi_payments.web import csp_reports
from nexi_payments.web.responses import content_security_policy
from tests.support.clerk import Clerk
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.seen_on("sqlite")

SECRET = "5e2fc9eda12ff6c3de7187415820fb35"
PAGE = f"https://shop.example/payments/pay/{SECRET}/?PaRes=eJxVUt"
OLD = {
    "document-uri": PAGE,
    "referrer": PAGE,
    "blocked-uri": "https://user:pw@evil.example:8443/skim.js?card=4349940199004549",
    "effective-directive": "script-src-elem",
    "violated-directive": "script-src-elem 'self'",
    "original-policy": "default-src 'none'",
    "disposition": "enforce",
    "source-file": f"{PAGE}#x",
    "line-number": 12,
    "script-sample": "card=4349940199004549",
    "status-code": 200,
}
NEW = {
    "documentURL": PAGE,
    "blockedURL": "inline",
    "effectiveDirective": "style-src-attr",
    "disposition": "enforce",
    "sourceFile": PAGE,
    "lineNumber": 3,
    "sample": "4349940199004549",
}


@pytest.fixture(autouse=True)
def fresh_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    csp_reports.LIMITER.__init__()  # type: ignore[misc]
    yield
    csp_reports.LIMITER.__init__()  # type: ignore[misc]


def post(
    document: Any, content_type: str = "application/csp-report", **more: Any
) -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    client = Client(HTTP_HOST="127.0.0.1:8000", enforce_csrf_checks=True)
    url = reverse("nexi_payments:csp_report")
    return client.post(url, body, content_type=content_type, **more)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    ours = [one for one in caplog.records if one.name == "nexi_payments.csp"]
    return [(one.levelname, one.getMessage()) for one in ours]


def test_both_forms_are_logged_without_secrets(
    caplog: pytest.LogCaptureFixture, log_records: list[str]
) -> None:
    assert post({"csp-report": OLD}).status_code == 204
    other = {"type": "deprecation", "body": {"id": SECRET}}
    reports = [{"type": "csp-violation", "url": PAGE, "body": NEW}, other]
    assert post(reports, "application/reports+json").status_code == 204
    assert lines(caplog) == [
        (
            "WARNING",
            "blocked by the policy of https://shop.example: https://evil.example:8443"
            " by script-src-elem, from https://shop.example line 12 (enforce)",
        ),
        (
            "WARNING",
            "blocked by the policy of https://shop.example: inline by style-src-attr,"
            " from https://shop.example line 3 (enforce)",
        ),
    ]
    told = "".join(log_records)
    for secret in (SECRET, "eJxVUt", "4349940199004549", "user:pw"):
        assert secret not in told


def test_it_needs_no_database(caplog: pytest.LogCaptureFixture) -> None:
    """The test has none: a query would fail."""
    assert post({"csp-report": OLD}).status_code == 204


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("https://a.example/x?y", "https://a.example"),
        ("https://A.example:444", "https://a.example:444"),
        ("http://[::1]:8000/x", "http://[::1]:8000"),
        ("wss://a.example", "wss://a.example"),
        ("data", "data"),
        ("data:text/html,secret", "data:"),
        ("blob:https://a.example/5e2fc9ed", "blob:"),
        ("eval", "eval"),
        ("trusted-types-sink", "trusted-types-sink"),
        ("moz-extension://5e2f/x.js", "moz-extension://5e2f"),
        ("https://a.example\nforged: line", "?"),
        ("https://a example/", "?"),
        ("https://[::1", "?"),
        ("https://a.example:99999/", "?"),
        ("", "?"),
        (None, "?"),
        (7, "?"),
        (["https://a.example"], "?"),
        (SECRET, "?"),
        ("javascript:alert(1)", "javascript:"),
        ("h" * 10_000, "?"),
    ],
)
def test_what_is_kept_of_an_address(value: Any, kept: str) -> None:
    assert csp_reports.origin(value) == kept


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        7,
        None,
        "text",
        {"csp-report": "x"},
        {"csp-report": []},
        [[]],
        [{"type": "csp-violation"}],
        [{"type": "csp-violation", "body": "x"}],
    ],
)
def test_anything_else_is_skipped(
    document: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert post(document).status_code == 204
    assert lines(caplog) == []


def test_values_of_any_type(caplog: pytest.LogCaptureFixture) -> None:
    for value in (None, 7, True, "\n\x1b", {"a": 1}, "x" * 9000):
        post({"csp-report": dict.fromkeys(OLD, value)})
    expected = "blocked by the policy of ?: ? by ?, from ? line 0 (?)"
    assert {text.replace("line 7", "line 0") for _, text in lines(caplog)} == {expected}


def test_extensions_of_the_browser_are_no_alarm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    post({"csp-report": {**OLD, "blocked-uri": "chrome-extension://abc/x.js"}})
    post({"csp-report": {**OLD, "source-file": "moz-extension"}})
    assert [level for level, _ in lines(caplog)] == ["INFO", "INFO"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * (16 * 1024 + 1), "application/csp-report", 413),
        (b"{}", "application/json", 415),
        (b"{}", "text/plain", 415),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"{", "application/csp-report", 400),
        (b"\xff", "application/csp-report", 400),
        (b"[" * 5000, "application/csp-report", 400),
        (b'{"a":NaN}', "application/csp-report", 400),
    ],
)
def test_other_bodies(
    body: bytes, kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert post(body, kind).status_code == status
    assert caplog.records == []


def test_a_large_body_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        csp_reports.LIMITER, "admit", lambda address: pytest.fail("it was admitted")
    )
    assert post(b"{}", CONTENT_LENGTH="99999999999999").status_code == 413
    assert post(b"{}", CONTENT_LENGTH="").status_code == 413


def test_many_reports_in_one_body(caplog: pytest.LogCaptureFixture) -> None:
    reports = [{"type": "csp-violation", "body": {}}] * 30
    assert post(reports, "application/reports+json").status_code == 204
    assert len(lines(caplog)) == 20


def test_an_address_is_limited(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(csp_reports, "monotonic", lambda: clock[0])
    statuses = [post({"csp-report": OLD}).status_code for _ in range(12)]
    assert statuses == [204] * 10 + [429] * 2
    assert len(caplog.records) == 10
    assert post({"csp-report": OLD}, REMOTE_ADDR="192.0.2.7").status_code == 204
    clock[0] += 60
    assert post({"csp-report": OLD}).status_code == 204


def test_all_addresses_together_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csp_reports, "PER_PROCESS", 5)
    limiter = csp_reports.Limiter()
    assert [limiter.admit(f"192.0.2.{n}") for n in range(7)] == [True] * 5 + [False] * 2
    assert len(limiter._counts) <= 5 + 2


def test_other_methods() -> None:
    client = Client(HTTP_HOST="127.0.0.1:8000")
    answer = client.get(reverse("nexi_payments:csp_report"))
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


@pytest.mark.django_db
def test_a_login_wall_lets_them_pass(settings: Any) -> None:
    wall = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, wall]
    assert post({"csp-report": OLD}).status_code == 204


@pytest.mark.django_db(transaction=True)
def test_card_pages_report_and_deny_features(
    shopper: Shopper, change_settings: Any
) -> None:
    change_settings(PUBLIC_URL="https://127.0.0.1:8000")
    order = new_order()
    card = shopper.browser.get(order.page_url())
    redirect = shopper.submit_card(order)
    status = shopper.browser.get(f"/payments/status/{order.public_id}/")
    assert "Reporting-Endpoints" not in status
    clerk = Clerk("take_moto", "verify_card")
    page = clerk.get("/admin/nexi_payments/cardverification/verify/")
    desk = clerk.get(clerk.create_order()["Location"])
    for response in (page, desk, card, redirect):
        assert response["Content-Security-Policy"].endswith(
            "; report-uri /payments/csp-report/; report-to nexi-payments"
        )
        assert response["Reporting-Endpoints"] == (
            'nexi-payments="/payments/csp-report/"'
        )
        assert response["Permissions-Policy"].startswith("accelerometer=(), ")


@pytest.mark.django_db
@pytest.mark.urls("tests.support.urls_empty")
def test_without_our_pages_nothing_is_named() -> None:
    assert "report" not in content_security_policy()
