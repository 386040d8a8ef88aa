"""Django's own log lines: whatever is asked of our pages, and wherever it fails, no
line has the secret of a payment's pages or of a way back."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpResponse
from django.template import Context, Template
from django.test import Client, RequestFactory

from nexi_payments.enums import OrderState
from nexi_payments.flows import payment_link
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.web import log_redaction, payment_links
from tests.support.card_posts import CARD
from tests.support.clerk import PERMISSIONS, Clerk, order_from_redirect, result_url
from tests.support.shopper import SITE, Shopper, new_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

FORM = "application/x-www-form-urlencoded"
ID = "0123456789abcdef" * 2
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
Ask = Callable[[Client, str], Any]


def _post(body: str = "card_number=1", kind: str = FORM, **more: Any) -> Ask:
    return lambda browser, path: browser.post(path, body, content_type=kind, **more)


def _get(**more: Any) -> Ask:
    return lambda browser, path: browser.get(path, **more)


def _method(name: str) -> Ask:
    return lambda browser, path: browser.generic(name, path)


def _with(change: Callable[[str], str], ask: Ask) -> Ask:
    return lambda browser, path: ask(browser, change(path))


def _own_page(browser: Client, path: str) -> Any:
    """Over https, Django checks where the form came from, and quotes it."""
    return browser.post(
        path,
        "card_number=1",
        content_type=FORM,
        secure=True,
        headers={"referer": f"https://elsewhere.example{path}"},
    )


#: name → what is asked of a page of ours
REQUESTS: dict[str, Ask] = {
    **{name: _method(name) for name in ("PUT", "PATCH", "DELETE", "TRACE", "X")},
    "no cookie": _post(),
    "a referer that is not trusted": _own_page,
    "an origin that is not trusted": _post(headers={"origin": "https://x.example"}),
    "too large": _post("x" * 20_000),
    "another type": _post("x", "text/plain"),
    "too many fields": _post("x&" * 2000),
    "another charset": _post("a=1", f"{FORM}; charset=latin1"),
    "broken multipart": _post("--x", "multipart/form-data; boundary="),
    "another host": _get(headers={"host": "elsewhere.example"}),
    "another host, with PaRes": _with(
        lambda path: f"{path}?PaRes=SECRETPARES", _get(headers={"host": "x.example"})
    ),
    "a referer": _get(headers={"host": "x.example", "referer": f"{SITE}/pay/{ID}/"}),
    "two slashes": _with(lambda path: path.replace("/payments", "/payments/"), _get()),
    "two slashes behind": _with(lambda path: f"{path}/", _get()),
    "two slashes, posted": _with(lambda path: f"{path}/", _post()),
    "another prefix": _with(lambda path: path.replace("/payments", "/shop"), _get()),
    "no slash": _with(lambda path: path.rstrip("/"), _get()),
    "no slash, posted": _with(lambda path: path.rstrip("/"), _post()),
    "more behind": _with(lambda path: f"{path.rstrip('/')}x", _get()),
    "more behind it": _with(lambda path: f"{path}x/y/", _get()),
    "a zero byte": _with(lambda path: f"{path}%00", _get()),
    "a line break": _with(lambda path: f"{path}%0d%0aX", _get()),
}


def pages(shopper: Shopper) -> tuple[dict[str, str], list[str]]:
    """Address by name, and what must not be logged of them."""
    form = shopper.start(new_order())
    order = PaymentOrder.objects.get()
    token = form.path.split("/")[-2]
    offered = payment_link.offer_link(
        order_from_redirect(Clerk(*PERMISSIONS).create_order())
    )
    link = payment_links.build_url(offered, SITE).removeprefix(SITE)
    paths = {
        "pay": order.page_url(),
        "result": f"/payments/result/{order.public_id}/",
        "status": f"/payments/status/{order.public_id}/",
        "return": form.path,
        "link": link,
    }
    return paths, [order.public_id, token, link.split("/")[-2]]


@pytest.mark.parametrize("name", REQUESTS)
def test_no_odd_request_puts_a_secret_into_a_log(
    shopper: Shopper, log_records: list[str], name: str
) -> None:
    paths, secrets = pages(shopper)
    log_records.clear()
    browser = Client(HTTP_HOST="127.0.0.1:8000", enforce_csrf_checks=True)
    browser.raise_request_exception = False
    for path in paths.values():
        REQUESTS[name](browser, path)
    everything = "\n".join(log_records)
    assert not [one for one in [*secrets, "SECRETPARES", ID] if one in everything]


@pytest.mark.parametrize(
    "error",
    [Http404, PermissionDenied, SuspiciousOperation, ValueError],
)
def test_a_middleware_that_raises_tells_none(
    shopper: Shopper, log_records: list[str], settings: Any, error: type[Exception]
) -> None:
    """It knows the address, and may put it into its own words."""
    paths, secrets = pages(shopper)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.raising"]
    log_records.clear()
    browser = Client(HTTP_HOST="127.0.0.1:8000", headers={"x-error": error.__name__})
    browser.raise_request_exception = False
    for path in paths.values():
        assert browser.get(path).status_code in (400, 403, 404, 500)
    everything = "\n".join(log_records)
    assert not [one for one in secrets if one in everything]
    assert everything.count("/payments/pay/***/") > 0
    if error is ValueError:
        assert "ValueError: nothing at /payments/pay/***/" in everything
        assert "Traceback (most recent call last)" in everything


def raising(get_response: Any) -> Any:
    kinds = (Http404, PermissionDenied, SuspiciousOperation, ValueError)

    def look(request: Any) -> HttpResponse:
        for kind in kinds:
            if request.headers["x-error"] == kind.__name__:
                raise kind(f"nothing at {request.path}")
        raise AssertionError

    return look


def test_the_lines_are_there(shopper: Shopper, caplog: Any) -> None:
    paths, _ = pages(shopper)
    caplog.clear()
    browser = Client(HTTP_HOST="127.0.0.1:8000")
    browser.put(paths["pay"])
    browser.post(paths["result"])
    browser.get(paths["return"].replace("/payments", "/payments/"))
    (line, other, _answered) = caplog.records[:3]
    assert line.getMessage() == "Method Not Allowed (PUT): /payments/pay/***/"
    assert (line.name, line.status_code) == ("django.request", 405)
    assert repr(line.request) == "<WSGIRequest: PUT '/payments/pay/***/'>"
    assert "Method Not Allowed (POST): /payments/result/***/" in caplog.messages
    assert caplog.messages[-1] == "Not Found: /payments//return/***/"
    assert other.name == "django.request"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"/a/pay/{ID}/", "/a/pay/***/"),
        (f"/pay//{ID}", "/pay//***"),
        (f"/pay/{ID}x/more/?a=1", "/pay/***/more/?a=1"),
        (f"/status/{ID}/ and /result/{ID}", "/status/***/ and /result/***"),
        (f"GET /return/{ID}/ab-c_d/?PaRes=x&b HTTP/1.1", "GET /return/***/ HTTP/1.1"),
        (f"/return/{ID}/t", "/return/***"),
        (f"/return/{ID}", "/return/***"),
        (f"'/link/{'IjEi:1uQ:' + 'a' * 43}/'", "'/link/***/'"),
        (f"/link/{'IjEi%3A1uQ%3A' + 'a' * 43}/", "/link/***/"),
        *(
            (text, text)
            for text in (
                "/shop/pay/7/",
                "/status/",
                "/result/christmas-2026/",
                f"/status/{UUID}/",
                f"/orders/{ID}/",
                f"/repay/{ID}/",
                ID,
                "/return/2026/",
            )
        ),
    ],
)
def test_what_is_hidden(text: str, shown: str) -> None:
    assert log_redaction.redact(text) == shown


@pytest.mark.parametrize("unit", ["/", "/pay/", "/return/" + "a" * 22, "/pay/a", "a"])
def test_a_long_address_is_read_once(unit: str) -> None:
    """No time is measured: two repeats that take the same characters would hang."""
    log_redaction.redact("/pay/" + unit * 200_000)


def test_lines_of_the_host_stay_as_they_are(caplog: Any) -> None:
    request = RequestFactory().get(f"/status/{UUID}/?a=1")
    log = logging.getLogger("django.request")
    told: Any = object()
    try:
        raise ValueError("its own")
    except ValueError:
        log.warning(
            "%s %d %s", request.path, 7, told, extra={"request": request}, exc_info=True
        )
    (record,) = caplog.records
    assert record.request is request
    assert record.args == (request.path, 7, told)
    assert record.args[2] is told
    assert record.exc_info[0] is ValueError
    named = {"path": f"/pay/{ID}/", "n": 1}
    log.warning("%(path)s %(n)d", named)
    assert caplog.messages[-1] == "/pay/***/ 1"
    assert named == {"path": f"/pay/{ID}/", "n": 1}
    log.warning("%s", Unwritable())  # handlers deal with it, as without us


class Unwritable:
    seen = 0

    def __str__(self) -> str:
        Unwritable.seen += 1
        if Unwritable.seen == 1:
            raise ValueError
        return "later"


def test_the_request_itself_is_not_changed(caplog: Any) -> None:
    path = f"/return/{ID}/token/"
    request = RequestFactory(headers={"referer": f"{SITE}/pay/{ID}/"}).get(
        path, {"PaRes": "x"}
    )
    assert request.GET["PaRes"] == "x"
    logging.getLogger("django.request").warning("x", extra={"request": request})
    shown = caplog.records[-1].request
    assert shown.get_full_path() == "/return/***/"
    assert not shown.GET
    assert shown.headers["referer"] == f"{SITE}/pay/***/"
    assert shown.build_absolute_uri() == "http://testserver/return/***/"
    assert request.get_full_path() == f"{path}?PaRes=x"
    assert request.META["HTTP_REFERER"] == f"{SITE}/pay/{ID}/"
    assert request.GET["PaRes"] == "x"


def test_a_template_that_asks_for_what_is_not_there(log_records: list[str]) -> None:
    """Django writes the whole context into such a line."""
    context = Context({"pay_url": f"/payments/pay/{ID}/", "fields": {"PaRes": "PARES"}})
    Template("{{ basket.total }}", name="nexi_payments/x.html").render(context)
    everything = "\n".join(log_records)
    assert "Exception while resolving variable 'basket'" in everything
    assert ID not in everything
    assert "PARES" not in everything


def test_the_filter_is_there_once() -> None:
    log_redaction.install()
    for name in ("request", "server", "security.csrf", "security.DisallowedHost"):
        filters = logging.getLogger(f"django.{name}").filters
        kinds = [type(one).__module__ for one in filters]
        assert kinds == ["nexi_payments.web.log_redaction"], name


# -- a card form that fails the CSRF check ---------------------------------------------


def test_a_shopper_without_cookies_reads_what_to_do(
    gateway: Simulator, caplog: Any, settings: Any
) -> None:
    settings.CSRF_FAILURE_VIEW = f"{__name__}.hosts_own"
    order = new_order()
    strict = Client(HTTP_HOST="127.0.0.1:8000", enforce_csrf_checks=True)
    answer = _post("card_number=4349940199990396&security_code=396")(
        strict, order.page_url()
    )
    page = answer.content.decode()
    assert answer.status_code == 403
    assert re.search(r"<h1[^>]*>This form could not be read</h1>", page)
    assert "Nothing has been charged. Allow cookies for this site, go back," in page
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["X-Frame-Options"] == "DENY"
    assert "form-action 'self'" in answer["Content-Security-Policy"]
    order.refresh_from_db()
    assert (order.state, gateway.calls) == (OrderState.INIT, ())
    assert caplog.messages == [
        "Forbidden (CSRF cookie not set.): a card form",
        "answered 403 Forbidden",
    ]
    assert caplog.records[0].name == "django.security.csrf"


def test_it_is_in_their_language(gateway: Simulator) -> None:
    strict = Client(HTTP_HOST="127.0.0.1:8000", enforce_csrf_checks=True)
    answer = _post(headers={"accept-language": "it"})(strict, new_order().page_url())
    assert '<html lang="it"' in answer.content.decode()
    assert "Non è stato possibile leggere questo modulo" in answer.content.decode()


def test_a_card_form_of_the_desk_too(gateway: Simulator, settings: Any) -> None:
    settings.CSRF_FAILURE_VIEW = f"{__name__}.hosts_own"
    clerk = Clerk(*PERMISSIONS)
    path = f"{result_url(order_from_redirect(clerk.create_order()))}card/"
    clerk.browser.handler.enforce_csrf_checks = True
    answer = clerk.browser.post(path, CARD, content_type=FORM)
    assert answer.status_code == 403
    assert "This form could not be read" in answer.content.decode()
    assert gateway.calls == ()


def test_other_forms_get_the_answer_of_the_host(settings: Any) -> None:
    settings.CSRF_FAILURE_VIEW = f"{__name__}.hosts_own"
    strict = Client(HTTP_HOST="127.0.0.1:8000", enforce_csrf_checks=True)
    for path in ("/admin/login/", "/nowhere/", f"/payments/result/{ID}/"):
        answer = strict.post(path, {"a": "1"})
        assert answer.status_code in (403, 404, 405)
        if answer.status_code == 403:
            assert answer.content == b"the host's: CSRF cookie not set."
    assert strict.post("/admin/login/", {"a": "1"}).status_code == 403


def hosts_own(request: Any, reason: str = "") -> HttpResponse:
    return HttpResponse(f"the host's: {reason}", status=403)
