"""The delivered payment page against the release, on a live server."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
import pytest
from django.contrib import admin
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core import mail
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command

import nexi_payments
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support import tampering
from tests.support.servers import free_port
from tests.support.shopper import new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite"),
]

STATIC = Path(nexi_payments.__file__).parent / "static/nexi_payments"


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def site(gateway: Simulator, settings: Any, change_settings: Any) -> Iterator[str]:
    """A live server, whose middleware may tamper with what it delivers."""
    settings.MIDDLEWARE = ["tests.support.tampering.middleware", *settings.MIDDLEWARE]
    address = "security@shop.example"
    settings.ADMINS = [address] if django.VERSION >= (6, 0) else [("S", address)]
    application = StaticFilesHandler(WSGIHandler())
    server = make_server("127.0.0.1", 0, application, handler_class=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    change_settings(PUBLIC_URL=url)
    yield url
    server.shutdown()
    server.server_close()
    thread.join()
    tampering.change.clear()


@pytest.fixture
def order(site: str) -> PaymentOrder:
    return new_order()


def run(*arguments: str) -> tuple[int, list[str]]:
    out = io.StringIO()
    try:
        call_command("nexi_page_integrity", *arguments, stdout=out)
        return 0, out.getvalue().splitlines()
    except SystemExit as end:
        return int(str(end.code)), out.getvalue().splitlines()


def page_of(site: str, order: PaymentOrder) -> str:
    return site + order.page_url()


def changed(response: Any, old: str, new: str) -> None:
    if response.get("Content-Type", "").startswith("text/html"):
        text = response.content.decode()
        assert old in text
        response.content = text.replace(old, new, 1).encode()
        response["Content-Length"] = str(len(response.content))


def test_the_release_as_it_is(site: str, order: PaymentOrder, caplog: Any) -> None:
    expected = (
        f"payment page of {site}: 0 differences, 2 scripts and stylesheets compared"
    )
    assert run(page_of(site, order)) == (0, [expected])
    assert run() == (0, [expected])
    assert mail.outbox == []
    assert not [one for one in caplog.records if one.levelname == "CRITICAL"]
    order.refresh_from_db()
    assert (order.state, order.version) == ("init", 0)


def test_with_hashes_in_the_tags(
    site: str, order: PaymentOrder, change_settings: Any
) -> None:
    change_settings(INTEGRITY=True)
    assert run()[0] == 0


@pytest.mark.parametrize("name", ["card.js", "pages.css"])
def test_a_changed_file_is_found(
    site: str,
    order: PaymentOrder,
    settings: Any,
    tmp_path: Path,
    caplog: Any,
    name: str,
) -> None:
    """An alarm, by log and email, without the secret of the page."""
    shutil.copytree(STATIC, tmp_path / "nexi_payments")
    with (tmp_path / "nexi_payments" / name).open("a") as file:
        file.write("\n/* skim */")
    settings.STATICFILES_DIRS = [tmp_path]
    path = f"{site}/static/nexi_payments/{name}"
    code, said = run(page_of(site, order))
    assert code == 1
    assert f"  {path} differs from the release" in said
    told = [one.getMessage() for one in caplog.records if one.levelname == "CRITICAL"]
    assert f"{path} differs from the release" in told
    (email,) = mail.outbox
    assert email.to == ["security@shop.example"]
    assert f"{path} differs from the release" in email.body
    for text in (*said, *told, email.body, email.subject):
        assert order.public_id not in text


def removed(name: str) -> Callable[[Any], None]:
    return lambda response: response.headers.pop(name, None)


def header(name: str, value: str) -> Callable[[Any], None]:
    return lambda response: response.headers.__setitem__(name, value)


def policy(old: str, new: str) -> Callable[[Any], None]:
    def change(response: Any) -> None:
        name = "Content-Security-Policy"
        if name in response:
            assert old in response[name]
            response[name] = response[name].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (removed(name), f"the header {name} is missing")
        for name in (
            "Content-Security-Policy",
            "Permissions-Policy",
            "Cache-Control",
            "Referrer-Policy",
            "X-Content-Type-Options",
            "X-Frame-Options",
        )
    ]
    + [
        (header("X-Frame-Options", "SAMEORIGIN"), "the header X-Frame-Options is"),
        (header("Cache-Control", "public"), "the header Cache-Control is another one"),
        (header("Refresh", "0;url=//evil.example"), "there is a header Refresh"),
        (header("Link", "</x.js>; rel=preload"), "there is a header Link"),
        (
            header("Access-Control-Allow-Origin", "*"),
            "there is a header Access-Control-Allow-Origin",
        ),
        (
            policy("script-src 'self'", "script-src 'self' https://evil.example"),
            "the Content-Security-Policy has another script-src",
        ),
        (
            policy("script-src 'self'", "script-src 'self' 'nonce-abcdefghijklmnop'"),
            "the Content-Security-Policy has another script-src",
        ),
        (
            policy("form-action 'self'", "form-action 'self' https://evil.example"),
            "the Content-Security-Policy has another form-action",
        ),
        (
            policy("; report-uri /payments/csp-report/", ""),
            "the Content-Security-Policy has another report-uri",
        ),
        (
            policy("connect-src 'self';", ""),
            "the Content-Security-Policy has another connect-src",
        ),
    ],
)
def test_a_changed_header_is_found(
    site: str, order: PaymentOrder, change: Callable[[Any], None], said: str
) -> None:
    tampering.change.append(change)
    code, lines = run(page_of(site, order))
    assert code == 1
    assert any(line.strip().startswith(said) for line in lines), lines
    assert len(lines) == 2


def body(new: str, old: str = "</main>") -> Callable[[Any], None]:
    return lambda response: changed(response, old, f"{new}{old}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (body("<script>skim()</script>"), "the page has an inline script"),
        (body("<style>x{}</style>"), "the page has an inline stylesheet"),
        (body('<p onclick="x()">'), "the page has a handler onclick of <p>"),
        (body('<p style="x">'), "the page has a style attribute of <p>"),
        (body("<iframe src='/x'></iframe>"), "the page has an element <iframe>"),
        (body("<base href='//evil.example'>"), "the page has an element <base>"),
        (body("<object data='/x'></object>"), "the page has an element <object>"),
        (
            body("<meta http-equiv=refresh content='0;/x'>"),
            "the page has a <meta http-equiv>",
        ),
        (body("<link rel=preload href='/x'>"), "the page has a <link rel=preload>"),
        (
            body("<a href=' JavaScript:x()'>"),
            "the page has a javascript: address of <a>",
        ),
        (
            body("<form action='https://evil.example/x'>"),
            "a form posts to https://evil.example",
        ),
        (
            body("<button formaction='https://evil.example/x'>"),
            "a form posts to https://evil.example",
        ),
        (
            body("<script src='https://evil.example/skim.js?x'></script>"),
            "a script or stylesheet of another place: https://evil.example/skim.js",
        ),
        (
            body("<script src='//evil.example/nexi_payments/card.js'></script>"),
            "a script or stylesheet of another place: http://evil.example/",
        ),
        (
            body("<script src='/static/admin/js/core.js'></script>"),
            "a script or stylesheet of another place: ",
        ),
        (
            lambda response: changed(response, "nexi_payments/card.js", "x.js"),
            "the page does not load card.js",
        ),
        (
            lambda response: changed(response, 'name="card_number"', 'name="x"'),
            "the page has no card form",
        ),
    ],
)
def test_a_changed_page_is_found(
    site: str, order: PaymentOrder, change: Callable[[Any], None], said: str
) -> None:
    tampering.change.append(change)
    code, lines = run(page_of(site, order))
    assert code == 1
    assert any(line.strip().startswith(said) for line in lines), lines


def test_what_the_shop_has_authorised(site: str, order: PaymentOrder) -> None:
    own = f"{site}/static/nexi_payments/pending.js"
    foreign = f"{site}/static/admin/js/core.js"
    tampering.change.append(body(f"<script src='{foreign}?v=1'></script>"))
    assert run(page_of(site, order))[0] == 1
    assert run(page_of(site, order), "--allow", foreign, own)[0] == 0
    content = (Path(admin.__file__).parent / "static/admin/js/core.js").read_bytes()
    digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
    assert run(page_of(site, order), "--allow", f"{foreign}=sha384-{digest}")[0] == 0
    wrong = f"{foreign}=sha384-{digest[::-1]}"
    code, lines = run(page_of(site, order), "--allow", wrong)
    assert (code, lines[0]) == (1, f"  {foreign} differs from the release")


def test_a_page_with_other_ways_to_pay(
    site: str, settings: Any, change_settings: Any
) -> None:
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    change_settings(
        TERMINALS={
            **terminals,
            "default": {**terminals["default"], "METHODS": ["PAYPAL"]},
        }
    )
    code, lines = run(page_of(site, new_order()))
    assert (code, len(lines)) == (0, 1), lines
    assert lines[0].endswith("3 scripts and stylesheets compared")


def test_a_page_that_is_no_payment(site: str, order: PaymentOrder) -> None:
    code, lines = run(f"{site}/payments/pay/{'0' * 32}/")
    assert code == 1
    assert "  the page answers 404, not 200" in lines


def test_a_page_that_cannot_be_had(site: str, order: PaymentOrder) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    code, lines = run(f"{nowhere}/payments/pay/secret/")
    assert (code, lines) == (2, [f"payment page: {nowhere}: ConnectionError"])
    (email,) = mail.outbox
    assert "could not be compared" in email.subject
    code, lines = run("no address")
    assert code == 2
    assert "no address" not in lines[0]


def test_without_an_open_payment(site: str) -> None:
    order = new_order()
    PaymentOrder.objects.update(expires_at=order.created_at)
    code, lines = run()
    assert (code, lines) == (
        2,
        ["payment page: no payment waits for a card: name the address of a page"],
    )
