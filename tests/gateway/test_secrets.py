"""Neither an error, nor its frames, nor a log shows a card or the key."""

from __future__ import annotations

import http.client
import json
import logging
import pickle
import re
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from stdnum import luhn

from nexi_payments.card import Card
from nexi_payments.exceptions import (
    GatewayError,
    MismatchedResponse,
    NotSent,
    UnknownOutcome,
)
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.connections import GatewayAdapter
from nexi_payments.gateway.payloads import Authentication, Purchase
from nexi_payments.gateway.transport import Transport
from tests.gateway.socket_client import (
    CORRELATION_ID,
    OK,
    answer_and_keep_open,
    call_context,
)
from tests.gateway.socket_servers import (
    SocketServer,
    http_response,
    server_context,
    socket_server,
)
from tests.gateway.test_transport import TRAPS

PAN = "431274" + "118063590"
PAN += luhn.calc_check_digit(PAN)
CVV = "9137"
KEY = "kanarien-4f2b"
PURCHASE = Purchase("ORDER0000000000001", 1250, "EUR", cardholder="Giulia Bianchi")
#: as numbers of their own: a port or an address in memory may hold the same digits
SECRETS = re.compile(rf"{PAN}|(?<![\w.]){CVV}(?!\w)|{KEY}")


def leaks(text: str) -> list[str]:
    return SECRETS.findall(text)


def members(value: object) -> list[object]:
    """The attributes of a local, one level down; a card and a key show theirs to the
    code that sends them, and trackers print the ``repr`` of an object."""
    if isinstance(value, Card | Client | Transport):
        return []
    names = getattr(value, "__slots__", ())
    slots = [getattr(value, name) for name in names if hasattr(value, name)]
    return [*getattr(value, "__dict__", {}).values(), *slots]


def shown_by(error: BaseException) -> str:
    seen = [str(error), repr(error), repr(error.args), repr(vars(error))]
    seen.append(pickle.dumps(error, protocol=0).decode("latin-1"))
    seen.extend(traceback.format_exception(error))
    frames = 0
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if Path(frame.f_code.co_filename).parent == Path(__file__).parent:
            continue
        frames += 1
        for value in frame.f_locals.values():
            seen.append(repr(value))
            seen.extend(repr(item) for item in members(value))
    assert frames
    return "\n".join(seen)


def client(it: SocketServer, **options: Any) -> Client:
    return Client(
        base_url=it.base_url,
        api_key=KEY,
        **{"adapter": GatewayAdapter(), "connect_timeout": 1.0, **options},
    )


def calls(c: Client) -> Iterator[Any]:
    card = Card(PAN, "1230", CVV)
    proof = Authentication(pares="notneeded")
    yield lambda: c.init("3steps", PURCHASE, card, call_context())
    context = call_context()
    yield lambda: c.pay("2steps", PURCHASE, card, "7", proof, "IMPLICIT", context)


@pytest.fixture
def everything_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    caplog.set_level(logging.DEBUG)
    return caplog


#: answers to a payment; those which only an init needs are left to test_transport
SHAPES = {"null", "list", "text", "no operation", "operation a list"}


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("name", sorted(TRAPS.keys() - SHAPES))
def test_an_error_shows_no_secret(
    name: str,
    everything_logged: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for number in range(2):
        with socket_server(TRAPS[name]) as it:
            call = list(calls(client(it)))[number]
            with pytest.raises(GatewayError) as caught:
                call()
            assert leaks(it.requests[0].decode()) != []  # the canary did travel
        error = caught.value
        assert error.__context__ is None
        assert error.__cause__ is None
        assert leaks(shown_by(error)) == []
        copied = pickle.loads(pickle.dumps(error))
        assert (type(copied), vars(copied)) == (type(error), vars(error))
    printed = capfd.readouterr()
    assert leaks(everything_logged.text + printed.out + printed.err) == []
    assert "POST /orders/3steps/init" in everything_logged.text
    assert printed.out == ""


def test_a_card_sent_back_by_the_peer_is_not_passed_on(
    everything_logged: pytest.LogCaptureFixture,
) -> None:
    """An answer that quotes our request, in every place it has."""

    def behave(sock: socket.socket, request: bytes) -> bool:
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        sent = json.dumps(body)
        errors = [{"code": sent, "description": sent}, {"code": body["card"]["pan"]}]
        head = f"cid: {sent}\r\nX-Echo: {sent}\r\n"
        if b"3steps" in request:
            operation = {"orderId": "ANOTHER", "operationId": "7"}
            whole = json.dumps({"operation": operation, "request": body})
            sock.sendall(http_response(whole.encode(), headers=head))
        else:
            whole = json.dumps({"errors": errors})
            sock.sendall(http_response(whole.encode(), "500 No", head))
        return True

    kinds: list[type[GatewayError]] = [MismatchedResponse, UnknownOutcome]
    with socket_server(behave) as it:
        for call, kind in zip(calls(client(it)), kinds, strict=True):
            with pytest.raises(GatewayError) as caught:
                call()
            assert type(caught.value) is kind
            assert (caught.value.cid, caught.value.codes) == ("", ())
            error = caught.value
            texts = [str(error), repr(vars(error)), pickle.dumps(error, 0).decode()]
            for frame, _ in traceback.walk_tb(error.__traceback__):
                if Path(frame.f_code.co_filename).parent != Path(__file__).parent:
                    texts.extend(repr(value) for value in frame.f_locals.values())
            assert leaks("\n".join(texts)) == []
    assert leaks(everything_logged.text) == []


def test_a_good_call_logs_ids_only(
    everything_logged: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    operation = {
        "orderId": PURCHASE.order_id,
        "operationId": "7",
        "operationResult": "EXECUTED",
        "operationAmount": "1250",
        "operationCurrency": "EUR",
    }
    body = json.dumps({"operation": operation}).encode()
    authority = trustme.CA()

    def behave(sock: socket.socket, request: bytes) -> bool:
        sock.sendall(http_response(body, headers="cid: c-1\r\n"))
        return True  # closing here would race the second call

    with (
        authority.cert_pem.tempfile() as bundle,
        socket_server(behave, tls=server_context(authority)) as it,
    ):
        for call in calls(client(it, adapter=GatewayAdapter(ca_bundle=bundle))):
            call()
    ours = [r for r in everything_logged.records if r.name == "nexi_payments.gateway"]
    assert [(r.outcome, r.correlation_id, r.cid) for r in ours] == [  # type: ignore[attr-defined]
        ("Reply", CORRELATION_ID, "c-1"),
        ("Reply", CORRELATION_ID, "c-1"),
    ]
    whole = "\n".join(repr(vars(record)) for record in everything_logged.records)
    assert leaks(everything_logged.text + whole + "".join(capfd.readouterr())) == []


class Stopping(GatewayAdapter):
    """A worker is told to stop in the middle of a call."""

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise SystemExit(1)


def test_an_interruption_goes_on_without_the_frames_that_hold_the_body() -> None:
    with socket_server(answer_and_keep_open) as it:
        for call in calls(client(it, adapter=Stopping())):
            with pytest.raises(SystemExit) as caught:
                call()
            assert caught.value.code == 1
            assert caught.value.__context__ is None
            assert leaks(shown_by(caught.value)) == []
        assert it.connections == 0


@pytest.mark.parametrize("end", ["\n", "\r\nX-Injected: 1"])
def test_a_key_with_a_line_break_never_shows(
    end: str, everything_logged: pytest.LogCaptureFixture
) -> None:
    with socket_server(answer_and_keep_open) as it:
        broken = Client(base_url=it.base_url, api_key=KEY + end)
        with pytest.raises(GatewayError) as caught:
            broken.payment_methods(call_context())
        assert it.requests == []
    assert isinstance(caught.value, NotSent)
    assert caught.value.cause == "InvalidHeader"
    assert caught.value.__context__ is None
    assert leaks(shown_by(caught.value) + everything_logged.text) == []


def test_a_mistake_of_ours_in_the_body_is_unsent_and_shows_nothing() -> None:
    class Odd(Purchase):
        order_id = "PAB123456789012345"

        @property
        def amount(self) -> Any:  # type: ignore[override]
            raise ValueError(f"no amount for {PAN}")

    purchase = Odd.__new__(Odd)
    with socket_server(answer_and_keep_open) as it, pytest.raises(NotSent) as caught:
        client(it).init("3steps", purchase, Card(PAN, "1230", CVV), call_context())
    assert it.connections == 0
    assert caught.value.__context__ is None
    assert leaks(str(caught.value)) == []


@pytest.mark.parametrize("tls", [False, True])
def test_the_environment_is_not_asked(
    tls: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = server_context(authority) if tls else None
    with (
        socket_server(answer_and_keep_open) as thief,
        socket_server(answer_and_keep_open, tls=context) as it,
    ):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, thief.base_url)
            monkeypatch.setenv(name.lower(), thief.base_url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "nothing.pem"))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
        c = client(it, adapter=GatewayAdapter(ca_bundle=str(bundle)))
        assert c.ping(call_context()).methods == ("VISA",)
        assert b"authorization" not in it.requests[0].lower()
        assert thief.connections == 0
    assert not (tmp_path / "keys").exists()


def test_a_bundle_from_the_environment_does_not_make_a_stranger_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = trustme.CA()
    with (
        authority.cert_pem.tempfile() as bundle,
        socket_server(answer_and_keep_open, tls=server_context(authority)) as it,
    ):
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, bundle)
        with pytest.raises(NotSent):
            client(it).payment_methods(call_context())
        assert it.requests == []


def test_the_answer_used_by_these_peers_is_a_good_one() -> None:
    assert json.loads(OK) == {"paymentMethods": [{"circuit": "VISA"}]}
