"""What is no card number: other lengths, ids, times, lists, telephone numbers."""

from __future__ import annotations

import base64
import random
import re
import string
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexi_payments.pan_scanner import Scan, contains_card_number
from tests.pan_scanner.test_detection import LENGTHS, PAN, with_check_digit

pytestmark = pytest.mark.seen_on("sqlite")

# -- lengths and prefixes ------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "lengths"),
    [
        ("4", {16, 19}),
        ("51", {16}),
        ("55", {16}),
        ("2221", {16}),
        ("2720", {16}),
        ("34", {15}),
        ("37", {15}),
        ("36", {14, 16}),
        ("38", {14, 16}),
        ("305", {14, 16}),
        ("3095", {14, 16}),
        ("3528", {16, 19}),
        ("3589", {16, 19}),
        ("50", {16, 17, 19}),
        ("58", {16, 17, 19}),
        ("6011", {16, 17, 19}),
        ("62", {16, 17, 19}),
        ("6759", {16, 17, 19}),
        ("0", set()),
        ("1", set()),
        ("2220", set()),
        ("2721", set()),
        ("31", set()),
        ("3527", set()),
        ("3590", set()),
        ("59", set()),
        ("7", set()),
        ("9", set()),
    ],
)
def test_lengths_of_unbroken_numbers(start: str, lengths: set[int]) -> None:
    digits = [
        with_check_digit(start.ljust(length - 1, fill))
        for length in range(8, 28)
        for fill in "0123456789"
    ]
    # the whole: a shorter number may stand in front of an expiry
    assert {len(one) for one in digits if Scan().first(one) == one} == lengths


@given(start=st.sampled_from(sorted(LENGTHS)), rest=st.integers(0, 10**13 - 1))
def test_order_numbers_of_twelve_and_thirteen_digits_pass(
    start: str, rest: int
) -> None:
    for length in (12, 13):
        digits = with_check_digit(f"{start}{rest:013d}"[: length - 1])
        for text in (digits, f"ORD-{digits}", f"#{digits}", f"{digits}A"):
            assert not contains_card_number(text)


@given(st.integers(0, 10**16 - 1), st.sampled_from("1234567890"))
def test_operation_ids_of_eighteen_digits_pass(rest: int, first: str) -> None:
    digits = with_check_digit(f"{first}{rest:016d}")
    for text in (digits, f"operation {digits}", f"x{digits}", f"700000 / {digits} x"):
        assert not contains_card_number(text)


def test_a_number_of_eighteen_digits_in_groups_is_found() -> None:
    digits = with_check_digit("67590011222233344")
    assert contains_card_number(
        f"{digits[:4]} {digits[4:8]} {digits[8:12]} {digits[12:]}"
    )


def test_a_wrong_check_digit_is_no_card_number() -> None:
    others = [PAN[:-1] + str(digit) for digit in range(10)]
    assert [one for one in others if contains_card_number(one)] == [PAN]


# -- ids and times that programs make ------------------------------------------------

CHANCE = random.Random(2026)


def _uuid() -> uuid.UUID:
    return uuid.UUID(int=CHANCE.getrandbits(128), version=4)


def _word(alphabet: str, length: int) -> str:
    return "".join(CHANCE.choices(alphabet, k=length))


@pytest.mark.parametrize(
    "make",
    [
        lambda: str(_uuid()),
        lambda: _uuid().hex,
        lambda: f"refund-{str(_uuid()).upper()}",
        lambda: "{" + str(_uuid()) + "}",
        lambda: CHANCE.randbytes(20).hex(),
        lambda: CHANCE.randbytes(32).hex(),
        lambda: base64.urlsafe_b64encode(CHANCE.randbytes(16)).decode(),
        lambda: base64.b64encode(CHANCE.randbytes(32)).decode(),
        lambda: _word(string.ascii_letters + string.digits, 18),
        lambda: _word("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26),
        lambda: _word(string.digits, 18),
    ],
    ids=[
        *("uuid", "hex", "refund-uuid", "braces", "sha1", "sha256"),
        *("base64url", "base64", "base62", "ulid", "nexi"),
    ],
)
def test_of_100_000_random_ids_none_is_refused(
    make: Callable[[], str], pytestconfig: pytest.Config
) -> None:
    """20,000 are made; by ``make full`` all of them."""
    CHANCE.seed(2026)
    count = 100_000 if pytestconfig.getoption("--full") else 20_000
    made = (make() for _ in range(count))
    assert [one for one in made if contains_card_number(one)] == []


def _of(template: str) -> str:
    """With a random digit for each #."""
    return re.sub("#", lambda _: CHANCE.choice(string.digits), template)


def _prices(between: str, point: str = ".") -> str:
    made = (
        f"{CHANCE.randint(40, 69)}{point}{CHANCE.randint(10, 99)}" for _ in "123456"
    )
    return between.join(made)


def _seats(between: str) -> str:
    return between.join(str(CHANCE.randint(1, 60)) for _ in range(10))


@pytest.mark.parametrize(
    "make",
    [
        lambda: _prices(", "),
        lambda: _prices("; ", ","),
        lambda: _prices(" "),
        lambda: _seats(" "),
        lambda: _seats(", "),
        lambda: _seats("-"),
        lambda: _of("36## #### #### #### ##"),
        lambda: _of("notice 302# #### #### #### ## of 30/11/2026"),
        lambda: _of("4####, 4####, 4#####"),
        lambda: _of("4#######, 4#######"),
        lambda: _of("6######## / 6########"),
        lambda: _of("6## ### ###, 6## ### ###"),
        lambda: _of("36# ### ####, 38# ### ####"),
        lambda: _of("36# ### ####\n38# ### ####"),
        lambda: _of("304-#######-#######"),
        lambda: _of("38# ### ### #####"),
        lambda: _of("4### #### ## ##########"),
        lambda: _of("4#%, " * 10),
    ],
    ids=[
        *("prices", "prices with commas", "prices with blanks"),
        *("seats", "seats with commas", "seats with dashes"),
        *("notice code", "notice code of pagoPA", "invoices", "two order numbers"),
        *("mobiles", "mobiles in threes", "Italian mobiles", "mobiles in two lines"),
        *("Amazon", "SIRET", "Spanish account", "percentages"),
    ],
)
def test_of_lists_less_than_one_in_a_hundred_is_refused(
    make: Callable[[], str],
) -> None:
    CHANCE.seed(2026)
    made = (make() for _ in range(5_000))
    assert sum(map(contains_card_number, made)) < 50


def test_of_short_hexadecimal_ids_few_are_refused() -> None:
    """They may be a label and a number; the documentation names the rate."""
    CHANCE.seed(2026)
    made = (CHANCE.randbytes(8).hex() for _ in range(100_000))
    assert sum(map(contains_card_number, made)) < 10


@pytest.mark.parametrize(
    "pattern",
    [
        "%Y-%m-%dT%H:%M:%S.%f%z",
        "%Y-%m-%d %H:%M:%S.%f",
        "%Y-%m-%d %H:%M:%S,%f",
        "%Y-%m-%d_%H-%M-%S-%f",
        "%Y%m%dT%H%M%S.%f%z",
        "%Y%m%d-%H%M%S-%f",
        "%Y%m%d%H%M%S%f",
        "%d/%m/%Y %H:%M:%S",
        "%d.%m.%Y %H:%M:%S,%f",
        "%m/%d/%Y, %I:%M:%S %p",
        "%d/%b/%Y:%H:%M:%S %z",
        "%H:%M:%S.%f%z",
        "%a, %d %b %Y %H:%M:%S %z",
    ],
)
def test_times_are_no_card_numbers(pattern: str) -> None:
    CHANCE.seed(2026)
    zone = timezone(timedelta(hours=1))
    for _ in range(5_000):
        moment = datetime.fromtimestamp(CHANCE.uniform(1e9, 2.2e9), zone)
        text = moment.strftime(pattern)
        assert not contains_card_number(text), text
        assert not contains_card_number(f"at {text}; ok"), text


def test_unix_times_are_no_card_numbers() -> None:
    CHANCE.seed(2026)
    for _ in range(5_000):
        seconds = CHANCE.randrange(1_000_000_000, 2_200_000_000)
        for digits in (0, 3, 6, 9):
            text = str(seconds * 10**digits + CHANCE.randrange(10**digits))
            # 22 21 … 27 20: microseconds of the years 2040 to 2056 are Mastercard's
            if text < "2221":
                assert not contains_card_number(text), text
    assert datetime.fromtimestamp(2_221_000_000, UTC).year == 2040


PHONES = {
    "IT": "+39 3## #######",
    "IT fixed": "+39 06 #### ####",
    "GB": "+44 7### ######",
    "GB (0)": "+44 (0)20 #### ####",
    "DE": "+49 15## #######",
    "DE long": "+49 (0)30/######-####",
    "FR": "+33 6 ## ## ## ##",
    "ES": "+34 6## ### ###",
    "PT": "+351 9## ### ###",
    "AT": "0043 664 ########",
    "CH": "+41 79 ### ## ##",
    "BE": "+32 4## ## ## ##",
    "NL": "+31 6 ########",
    "GR": "+30 69# ### ####",
    "PL": "+48 6## ### ###",
    "HU": "+36 30 ### ####-###",
    "SE": "+46 70 ### ## ##",
    "IE": "+353 87 ### ####",
    "RO": "+40 7## ### ###",
    "US": "+1 (2##) ###-####",
    "BR": "+55 11 9####-####",
    "MX": "+52 1 55 #### ####",
    "AR": "+54 9 11 ####-####",
    "TR": "+90 5## ### ## ##",
    "IN": "+91 9#### #####",
    "CN": "+86 13# #### ####",
    "JP": "+81 90-####-####",
    "ID": "+62 8## #### #####",
    "RU": "8 (9##) ###-##-##",
    "longest": "+3600 ### ### ####",
}


@pytest.mark.parametrize("country", sorted(PHONES))
def test_telephone_numbers_are_no_card_numbers(country: str) -> None:
    CHANCE.seed(country)
    for _ in range(1_000):
        text = re.sub("#", lambda _: CHANCE.choice("0123456789"), PHONES[country])
        for written in (text, text.replace(" ", ""), f"Tel. {text} (Giulia)"):
            assert not contains_card_number(written), written
