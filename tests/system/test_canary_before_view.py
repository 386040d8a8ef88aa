"""A known card is posted while something fails before, around and after the view, and
looked for in whatever is told about that: error emails, debug pages, logs, frames."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from django.db import OperationalError, connection

from nexi_payments.models import CardVerification, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.canary import (
    AMEX,
    Reports,
    everything_stored,
    found_in,
    frames_of,
    told,
)
from tests.support.card_posts import PLACES, SLOTS, Post, broken_in
from tests.support.clerk import Clerk

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]


@pytest.mark.parametrize(
    ("slot", "debug"),
    [
        *((slot, True) for slot in SLOTS),
        # fewer values are reported: outermost and innermost are enough
        *((slot, False) for slot in (SLOTS[0], SLOTS[-1])),
    ],
)
@pytest.mark.parametrize("kind", ["OnRequest", "OnView", "OnResponse"])
@pytest.mark.parametrize("place", PLACES)
def test_a_middleware_that_breaks_tells_no_card(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    slot: int,
    kind: str,
    debug: bool,
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    settings.MIDDLEWARE = broken_in(slot, kind)
    told(reports, post.send())
    assert len(reports.frames) == 5
    assert ("tests/support/failing_middleware.py" in reports.pages[0]) == debug
    assert found_in(everything_stored(), AMEX) == []
    if kind != "OnResponse":
        assert gateway.calls == ()


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_another_host_name(
    gateway: Simulator, settings: Any, reports: Reports, place: str, debug: bool
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    told(reports, post.send(HTTP_HOST="shop.invalid"), 400)
    assert gateway.calls == ()


class Gone(io.BytesIO):
    """Half of the body arrives."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body[: len(body) - 4])
        self.read_before = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.read_before:
            raise OSError("the client has gone")
        self.read_before = True
        return super().read(size)


def cut(body: bytes) -> dict[str, Any]:
    return {"wsgi.input": io.BytesIO(body[:-4]), "CONTENT_LENGTH": len(body) - 4}


def sent(body: bytes) -> dict[str, Any]:
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": len(body)}


BROKEN_BODIES: dict[str, Any] = {
    "cut": lambda body: sent(body[:-4]),
    "no UTF-8": lambda body: sent(body[:-4] + b"\xe8\xff"),
    "gone": lambda body: {"wsgi.input": Gone(body), "CONTENT_LENGTH": len(body)},
    "short": lambda body: {**sent(body[:-4]), "CONTENT_LENGTH": len(body)},
}


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("slot", [0, len(SLOTS) - 1])
@pytest.mark.parametrize("broken", sorted(BROKEN_BODIES))
@pytest.mark.parametrize("place", PLACES)
def test_a_broken_body(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    broken: str,
    slot: int,
    debug: bool,
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    settings.MIDDLEWARE = broken_in(slot, "OnRequest")
    told(reports, post.send(**BROKEN_BODIES[broken](post.body)))
    assert gateway.calls == ()


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("broken", sorted(BROKEN_BODIES))
@pytest.mark.parametrize("place", PLACES)
def test_a_broken_body_is_answered(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    broken: str,
    debug: bool,
) -> None:
    """By the view, and nothing is charged."""
    post = Post(place)
    settings.DEBUG = debug
    answer = post.send(**BROKEN_BODIES[broken](post.body))
    reports.pages.append(answer.content.decode())
    assert reports.found() == []
    assert gateway.calls == ()
    if place.startswith("api"):
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid_body"
    else:
        assert answer.status_code == (200 if place == "pay" else 400)


def away(execute: Any, sql: str, *rest: Any) -> Any:
    raise OperationalError("the database is away")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("way", ["user", "csrf", "view"])
@pytest.mark.parametrize("place", PLACES)
def test_the_database_is_away(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    way: str,
    debug: bool,
) -> None:
    post = Post(place)
    if place in ("pay", "api-pay"):
        post.browser.force_login(Clerk(name="somebody").user)
    settings.DEBUG = debug
    if way == "csrf":
        settings.CSRF_USE_SESSIONS = True
        post.browser.handler.enforce_csrf_checks = True
    if way == "user":
        settings.MIDDLEWARE = broken_in(len(SLOTS) - 2, "ReadsUser")
    with connection.execute_wrapper(away):
        if way == "csrf" and not debug:
            # Django's page for errors needs the session, too: the server gets it
            with pytest.raises(OperationalError) as raised:
                post.send()
            reports.frames.append(frames_of(raised.value))
            assert reports.found() == []
        else:
            told(reports, post.send())
    assert len(reports.frames) >= 5
    assert gateway.calls == ()


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("fails", ["tag", "processor"])
@pytest.mark.parametrize("place", ["pay", "desk", "verify"])
def test_a_template_fails(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    tmp_path: Any,
    place: str,
    fails: str,
    debug: bool,
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    engine = {**settings.TEMPLATES[0], "DIRS": [tmp_path]}
    if fails == "tag":
        (tmp_path / "nexi_payments").mkdir()
        for name in ("pay", "phone_order_card", "verify_card"):
            page = tmp_path / "nexi_payments" / f"{name}.html"
            page.write_text("{{ form.as_p }}{% url 'nowhere' form request.POST %}")
    else:
        mine = [
            *engine["OPTIONS"]["context_processors"],
            "tests.support.failing_middleware.failing_context_processor",
        ]
        engine["OPTIONS"] = {"context_processors": mine}
    settings.TEMPLATES = [engine]
    post.body = post.body.replace(b"12%2F30", b"12%2F99")
    answer = post.send()
    if debug:
        told(reports, answer)
    else:  # our own template is shown instead, and nothing but a log line tells it
        assert answer.status_code == (200 if place == "pay" else 400)
        reports.pages.append(answer.content.decode())
        assert reports.found() == []
    assert gateway.calls == ()


# -- addresses of no page, or of one only later ----------------------------------------


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("changed", ["no slash", "two slashes", "nowhere", "script"])
def test_an_address_that_is_not_quite_right(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    changed: str,
    debug: bool,
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    settings.MIDDLEWARE = broken_in(0, "OnRequest")
    more = {}
    if changed == "no slash":
        post.path = post.path.rstrip("/")
    elif changed == "two slashes":
        post.path = "/" + post.path
        more = {"PATH_INFO": post.path}
    elif changed == "nowhere":
        post.path = "/de/shop" + post.path
    else:
        more = {"SCRIPT_NAME": "/shop"}
    told(reports, post.send(**more))


@pytest.mark.parametrize("place", PLACES)
def test_a_middleware_chooses_the_urlconf(
    gateway: Simulator, settings: Any, reports: Reports, place: str
) -> None:
    """Later than the card is set aside, and it is taken all the same."""
    post = Post(place)
    settings.ROOT_URLCONF = "tests.support.urls_empty"
    settings.MIDDLEWARE = [
        "tests.support.failing_middleware.TenantUrlconf",
        *settings.MIDDLEWARE,
    ]
    answer = post.send(HTTP_HOST="localhost")
    assert answer.status_code in (200, 201, 302), answer.content
    assert len(gateway.calls) >= 1
    assert reports.found() == []


# -- other servers ---------------------------------------------------------------------


@pytest.mark.parametrize("slot", [0, 4, len(SLOTS) - 1])
@pytest.mark.parametrize("place", ["pay", "api-pay"])
def test_on_an_async_server(
    gateway: Simulator, settings: Any, reports: Reports, place: str, slot: int
) -> None:
    post = Post(place)
    settings.DEBUG = True
    settings.MIDDLEWARE = broken_in(slot, "OnRequest")
    told(reports, asyncio.run(post.send_async()))


# -- and payments work -----------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_a_card_is_taken_once(
    gateway: Simulator, settings: Any, reports: Reports, place: str
) -> None:
    post = Post(place)
    answer = post.send()
    assert answer.status_code in (200, 201, 302), answer.content
    assert len(gateway.calls) >= 1
    if place in ("verify", "api-card-verifications"):
        assert CardVerification.objects.get().card_last4 == AMEX.number[-4:]
    else:
        assert PaymentOrder.objects.get().card_last4 == AMEX.number[-4:]
    assert reports.found() == []
