"""The parser of the body that the issuer makes the browser post."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.test import RequestFactory

from nexi_payments import card_extraction
from nexi_payments.views import return_body
from nexi_payments.views.return_body import ReturnData
from tests.views.test_return_body import FORM

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]


# -- the reader alone ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pares"),
    [
        (b"PaRes=abc%0D%0Adef%3D", "abc\r\ndef="),
        (b"PaRes=abc+def+", "abc+def+"),
        (b"PaRes=+bc+def=", "+bc+def="),
        (b"PaRes=+abc++efg+", "abc++efg"),
        (b"PaRes=abc%3D+", "abc="),
        (b"PaRes=abc= \r\npaymentId=", "abc="),
        (b"PaRes=+abc%3D", "abc="),
        (b"PaRes=++abc=++", "abc="),
        (b"PaRes=ab%0D%0A+cd%3D", "ab\r\n cd="),
        (b"PaRes=ab+%0D%0Acd%3D", "ab \r\ncd="),
        (b"PaRes=ab+cd%0D%0Aef%3D", "ab+cd\r\nef="),
        (b"PaRes=abc%0D%0Ad+f%3D%0D%0A", "abc\r\nd+f=\r\n"),
        (b"PaRes=eyJh.b_c+", "eyJh.b_c"),
        (b"PaRes=abc&PaRes=+", "abc"),
        (b"PaRes=%7Ba+b%7D", "{a b}"),
        (b"PaRes=caff%C3%A8+x", "caffè x"),
        (b"PaRes=caff%E8", "caffè"),
        (b"PaRes=caff\xe8", "caffè"),
        (b"PaRes=a=b==", "a=b=="),
        (b"PaRes=one&PaRes=two", "two"),
        (b"PaRes=" + b"%41" * 65_536, "A" * 65_536),
    ],
)
def test_what_is_read(body: bytes, pares: str) -> None:
    request = RequestFactory().post("/", body, content_type=FORM)
    assert return_body.parse_post(request) == ReturnData(pares)


#: Units of bodies that are as long as one may be, and what may come before and behind.
LONGEST: dict[str, tuple[bytes, bytes, bytes]] = {
    "blanks": (b"", b" ", b"x"),
    "blanks before a sign": (b"", b" ", b"="),
    "form feeds": (b"", b"\x0c", b"x"),
    "line breaks": (b"", b"\r\n", b"x"),
    "line breaks, then braces": (b"x", b"\r\n", b"{}"),
    "blanks in braces": (b"{", b" ", b"x"),
    "dashes": (b"", b"--", b""),
    "short boundaries": (b"", b"--\r\n", b""),
    "a long boundary": (b"--", b"ab", b"\r\n--aba"),
    "names of parts": (b"--b\r\n", b'; name="', b""),
    "blanks before a name": (b"--b\r\n", b" ", b"name"),
    "fields": (b"", b"a=b&", b""),
    "fields without a sign": (b"", b"&a", b""),
    "escapes": (b"PaRes=", b"%41", b""),
    "halves of escapes": (b"PaRes=", b"%", b""),
    "blanks in it": (b"PaRes=a", b"+", b"b"),
    "blanks behind it": (b"PaRes=a", b"+", b""),
    "blanks and line breaks": (b"PaRes=a", b"+%0D", b"b"),
    "blanks and letters": (b"PaRes=", b"+a", b"!"),
    "braces": (b"", b"{", b""),
    "members": (b"{", b'"a":1,', b'"a":1}'),
    "nested members": (b"", b'{"a":', b""),
    "a long number": (b'{"a":', b"9", b"}"),
    "a long fraction": (b'{"a":1.', b"9", b"}"),
    "a long text": (b'{"PaRes":"', b"\\u0020", b'x"}'),
    "letters of UTF-8": (b"PaRes=", "è".encode(), b"\xe8"),
}


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_body_is_read_at_once(name: str) -> None:
    """A body of this kind took a minute for each 128 KiB: quadratic time is far off
    from this bound, linear time is far below it."""
    before, unit, behind = LONGEST[name]
    length = card_extraction.MAX_RAW_BODY_BYTES - len(before + behind)
    body = before + unit * (length // len(unit)) + behind
    request = RequestFactory().post("/", body, content_type=FORM)
    begun = time.process_time()
    return_body.parse_post(request)
    assert time.process_time() - begun < 2


def test_patterns_have_one_open_repeat_at_most() -> None:
    """Two of them that take the same characters share these out in every way."""
    parse: Any = re._parser.parse  # type: ignore[attr-defined]
    patterns = {
        name: value
        for name, value in vars(return_body).items()
        if isinstance(value, re.Pattern)
    }
    assert len(patterns) == 5
    assert open_repeats(parse(r"\s*(a|b*)\s*")) == 3
    for name, pattern in patterns.items():
        assert open_repeats(parse(pattern.pattern)) <= 1, name


def open_repeats(parsed: Any) -> int:
    """In one way through the pattern; two within a repeat that has no bound."""
    found = 0
    for kind, value in parsed:
        name = str(kind)
        if name == "BRANCH":
            found += max(map(open_repeats, value[1]))
        elif name.endswith("REPEAT"):
            _least, most, inner = value
            inside = open_repeats(inner)
            is_open = most == re._constants.MAXREPEAT  # type: ignore[attr-defined]
            found += 1 + 2 * inside if is_open else inside
        elif name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
            found += open_repeats(value[-1])
    return found


def test_nothing_is_left_for_an_error_report() -> None:
    request = RequestFactory().post("/", b"PaRes=abc", content_type=FORM)
    return_body.parse_post(request)
    assert not request.POST
