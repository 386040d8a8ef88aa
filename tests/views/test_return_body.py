"""Returns from the issuer in any charset, case, encoding or content type: the values
are passed on to Nexi unchanged, and the response is never a 4xx or 5xx."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from nexi_payments import enums
from nexi_payments.enums import OrderState
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Simulator
from tests.support.shopper import Form, Shopper, new_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

FORM = "application/x-www-form-urlencoded"
PLAIN = "text/plain"
PARTS = "multipart/form-data; boundary=XX"
Make = Callable[[str, str], bytes]


def _form(pares: str, payment_id: str) -> bytes:
    return urlencode({"PaRes": pares, "paymentId": payment_id}).encode()


def _raw(pares: str, payment_id: str) -> bytes:
    """Nothing is encoded: each "+" means a blank."""
    return f"PaRes={pares}&paymentId={payment_id}".encode()


def _named(one: str, other: str) -> Make:
    return lambda pares, payment_id: urlencode({one: pares, other: payment_id}).encode()


def _lines(end: str) -> Make:
    return lambda pares, payment_id: (
        f"PaRes={pares}{end}paymentId={payment_id}{end}".encode()
    )


def _parts(end: str = "\r\n", last: str = "--XX--\r\n", name: str = "PaRes") -> Make:
    def make(pares: str, payment_id: str) -> bytes:
        text = ""
        for known_as, value in ((name, pares), ("paymentId", payment_id)):
            head = f'Content-Disposition: form-data; name="{known_as}"'
            text += f"--XX{end}{head}{end}{end}{value}{end}"
        return (text + last).encode()

    return make


def _json(encoding: str = "utf-8") -> Make:
    return lambda pares, payment_id: json.dumps(
        {"PaRes": pares, "paymentId": payment_id, "more": {"PaRes": "no"}, "n": 1}
    ).encode(encoding)


def _around(before: bytes = b"", after: bytes = b"", inside: Make = _form) -> Make:
    return lambda pares, payment_id: before + inside(pares, payment_id) + after


#: name → type of content, body
BODIES: dict[str, tuple[str | None, Make]] = {
    "as Nexi says": (FORM, _form),
    **{
        f"charset {name}": (f"{FORM}; charset={name}", _form)
        for name in (
            "utf-8",
            "UTF-8",
            "UTF8",
            "utf8",
            '"utf-8"',
            "ISO-8859-1",
            "iso-8859-15",
            "latin1",
            "windows-1252",
            "windows-1253",
            "us-ascii",
            "cp037",
            "utf-16",
            "x-user-defined",
            "no-such",
            "",
            "\xff",
        )
    },
    "no type": (None, _form),
    "an empty type": ("", _form),
    "a type that is none": ("form", _form),
    "upper case type": (FORM.upper(), _form),
    "octets": ("application/octet-stream", _form),
    "html": ("text/html; charset=UTF8", _form),
    "+ not encoded": (FORM, _raw),
    "+ not encoded, UTF8": (f"{FORM}; charset=UTF8", _raw),
    "+ encoded as a blank": (
        FORM,
        lambda pares, other: _form(pares, other).replace(b"%2B", b"%20"),
    ),
    "lower case names": (FORM, _named("pares", "paymentid")),
    "upper case names": (FORM, _named("PARES", "PAYMENTID")),
    "other case names": (FORM, _named("paRes", "PaymentID")),
    "blanks around names": (FORM, _named(" PaRes ", "paymentId ")),
    "encoded names": (
        FORM,
        lambda pares, other: _form(pares, other).replace(b"PaRes", b"%50a%52es"),
    ),
    "lower case escapes": (
        FORM,
        lambda pares, other: (
            f"PaRes={quote(pares, safe='').replace('%2B', '%2b')}"
            f"&paymentId={other}".encode()
        ),
    ),
    "everything escaped": (
        FORM,
        lambda pares, other: (
            f"PaRes={''.join(f'%{ord(one):02x}' for one in pares)}&paymentId={other}"
        ).encode(),
    ),
    "twice the same": (
        FORM,
        lambda pares, other: _form(pares, other) + b"&" + _form(pares, other),
    ),
    "once more, empty": (FORM, _around(after=b"&PaRes=&paymentId=")),
    "once before, empty": (FORM, _around(b"PaRes=&paymentId=&")),
    "a BOM": (FORM, _around(b"\xef\xbb\xbf")),
    "a newline behind": (FORM, _around(after=b"\r\n")),
    "newlines around": (FORM, _around(b"\r\n\r\n", b"\n\n")),
    "& around": (FORM, _around(b"&&", b"&")),
    "no paymentId": (
        FORM,
        lambda pares, _: urlencode({"PaRes": pares}).encode(),
    ),
    "an empty paymentId": (FORM, lambda pares, _: _form(pares, "")),
    "a name without a sign": (FORM, _around(b"continue&")),
    "bytes that are no text": (FORM, _around(b"MD=\xff\xfe%ff%00%zz&")),
    "two thousand fields": (FORM, _around(b"a=1&" * 2000)),
    "a long field": (FORM, _around(b"a=" + b"x" * 200_000 + b"&")),
    "text/plain": (PLAIN, _lines("\r\n")),
    "text/plain, newlines": (PLAIN, _lines("\n")),
    "text/plain, UTF-16": (
        PLAIN,
        lambda pares, other: _lines("\r\n")(pares, other).decode().encode("utf-16"),
    ),
    "text/plain, as a form": (f"{PLAIN};charset=UTF-8", _form),
    "multipart": (PARTS, _parts()),
    "multipart, lower case": (PARTS, _parts(name="pares")),
    "multipart, no boundary": ("multipart/form-data", _parts()),
    "multipart, another boundary": ("multipart/form-data; boundary=YY", _parts()),
    "multipart, a long boundary": (f"{PARTS}{'x' * 300}", _parts()),
    "multipart, charset": (f"{PARTS}; charset=UTF8", _parts()),
    "multipart, no end": (PARTS, _parts(last="")),
    "multipart, newlines": (PARTS, _parts("\n", "--XX--\n")),
    "multipart called a form": (FORM, _parts()),
    "a form called multipart": (PARTS, _form),
    "a file": (
        PARTS,
        lambda pares, other: _parts()(pares, other).replace(
            b'name="PaRes"', b'name="PaRes"; filename="a"'
        ),
    ),
    "JSON": ("application/json", _json()),
    "JSON with a charset": ("application/json; charset=UTF8", _json()),
    "JSON called a form": (FORM, _json()),
    "JSON with a BOM": ("application/json", _around(b"\xef\xbb\xbf", inside=_json())),
    "JSON in UTF-16": ("application/json", _json("utf-16")),
    "JSON in other case": (
        "application/json",
        lambda pares, _: json.dumps({"pares": pares}).encode(),
    ),
}


def send(form: Form, body: bytes, content_type: str | None, **more: Any) -> int:
    """As a server hands it to Django; only what is given is in the headers."""
    environ = RequestFactory(HTTP_HOST="127.0.0.1:8000").post(form.path).environ
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH", "wsgi.input"):
        environ.pop(name, None)
    environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    if content_type is not None:
        environ["CONTENT_TYPE"] = content_type
    environ |= more
    status: list[int] = []
    answer = WSGIHandler()(environ, lambda said, _: status.append(int(said[:3])))  # type: ignore[arg-type]
    answer.close()  # type: ignore[attr-defined]
    return status[0]


def picture() -> tuple[Any, ...]:
    return (
        list(PaymentOrder.objects.order_by("pk").values()),
        list(Operation.objects.order_by("pk").values()),
        Event.objects.count(),
        SealedCard.objects.count(),
    )


@pytest.mark.parametrize("name", BODIES)
def test_any_body_that_carries_it_resumes(
    shopper: Shopper, sent_pares: list[str], name: str
) -> None:
    content_type, make = BODIES[name]
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    assert "+" in fields["PaRes"]
    body = make(fields["PaRes"], fields["paymentId"])
    assert send(form, body, content_type) == 303
    assert sent_pares == [fields["PaRes"]]
    assert PaymentOrder.objects.get().state == OrderState.PAID


def junk() -> dict[str, tuple[str | None, bytes]]:
    return {
        "a PaRes that is too long": (FORM, b"PaRes=" + b"x" * 65_537),
        "3 MB": (FORM, b"PaRes=" + b"x" * 3_000_000),
        "3 MB behind it": (FORM, b"PaRes=abc&a=" + b"x" * 3_000_000),
        "noise": (FORM, bytes(range(128, 256)) * 10),
        "words": (PLAIN, b"hello"),
        "broken multipart": ("multipart/form-data; boundary=", b"broken"),
        "broken JSON": ("application/json", b'{"PaRes": "abc'),
        "deep JSON": ("application/json", b'{"a":' * 20_000),
        "a JSON list": ("application/json", b'["PaRes"]'),
    }


@pytest.mark.parametrize("name", junk())
def test_what_no_bank_sends_claims_nothing(
    shopper: Shopper, gateway: Simulator, name: str, caplog: Any
) -> None:
    content_type, body = junk()[name]
    form = shopper.start(new_order())
    before, calls = picture(), len(gateway.calls)
    assert send(form, body, content_type) == 303
    assert picture() == before
    assert len(gateway.calls) == calls
    assert form.path.split("/")[-2] not in caplog.text
    # and the right answer still pays
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert PaymentOrder.objects.get().state == OrderState.PAID


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", FORM),
        (b"\r\n", None),
        (b"{}", "application/json"),
        (b"--XX--\r\n", PARTS),
        (b"PaRes=&paymentId=", FORM),
        (b"MD=1", f"{FORM}; charset=UTF8"),
    ],
)
def test_a_return_without_it_is_not_authenticated(
    shopper: Shopper, sent_pares: list[str], body: bytes, content_type: str | None
) -> None:
    form = shopper.start(new_order())
    assert send(form, body, content_type) == 303
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (
        OrderState.FAILED,
        enums.Reason.NOT_AUTHENTICATED,
    )
    assert sent_pares == []


# -- length ----------------------------------------------------------------------------


def test_a_length_that_is_more_than_came(shopper: Shopper, gateway: Simulator) -> None:
    """The last field may lack its end: what stands before it is whole."""
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    body = _form(fields["PaRes"], fields["paymentId"])
    before = picture()
    for cut in (5, 30, len(body) - len(fields["paymentId"]) - 12):
        assert send(form, body[:cut], FORM, CONTENT_LENGTH=str(len(body))) == 303
        assert picture() == before
    assert send(form, body[:-3], FORM, CONTENT_LENGTH=str(len(body))) == 303
    assert PaymentOrder.objects.get().state == OrderState.PAID


@pytest.mark.parametrize("length", ["", "x", "-1"])
def test_no_length_where_the_server_knows_the_end(
    shopper: Shopper, sent_pares: list[str], length: str
) -> None:
    """A proxy sends it in chunks."""
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    body = _form(fields["PaRes"], fields["paymentId"])
    more = {"CONTENT_LENGTH": length, "wsgi.input_terminated": True}
    assert send(form, body, FORM, **more) == 303
    assert sent_pares == [fields["PaRes"]]


def test_a_connection_that_breaks_off(shopper: Shopper, gateway: Simulator) -> None:
    class Broken(io.BytesIO):
        def read(self, *args: Any) -> bytes:
            raise ConnectionResetError

    form = shopper.start(new_order())
    before = picture()
    assert send(form, b"x" * 10, FORM, **{"wsgi.input": Broken()}) == 303
    assert picture() == before
