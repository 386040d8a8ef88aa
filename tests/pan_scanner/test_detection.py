"""Card numbers are found however they are written, innocents pass, and the time that it
takes grows with the length of the text and no faster."""

from __future__ import annotations

import re
import string
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum import luhn

from nexi_payments.exceptions import CardDataNotAllowed
from nexi_payments.pan_scanner import (
    MAX_TEXT_LENGTH,
    Scan,
    contains_card_number,
    find_masked_card_number,
    folding,
    joined_digits,
    reject_card_number,
    url_contains_card_number,
)
from nexi_payments.pan_scanner.markup import without_markup
from tests.support.pan_corpus import WITH_CARD_NUMBER, WITHOUT_CARD_NUMBER

pytestmark = pytest.mark.seen_on("sqlite")

PAN = "4349940199004549"
GROUPED = "4349 9401 9900 4549"


def with_check_digit(digits: str) -> str:
    return digits + luhn.calc_check_digit(digits)


# -- the two lists -------------------------------------------------------------------


def test_every_disguise_is_found() -> None:
    missed = [
        (entry.kind, ascii(entry.text))
        for entry in WITH_CARD_NUMBER.texts
        if not contains_card_number(entry.text)
    ]
    assert missed == []
    assert len({entry.text for entry in WITH_CARD_NUMBER.texts}) >= 200


def test_every_innocent_passes() -> None:
    refused = [
        (entry.kind, ascii(entry.text))
        for entry in WITHOUT_CARD_NUMBER.texts
        if contains_card_number(entry.text)
    ]
    assert refused == []
    assert len({entry.text for entry in WITHOUT_CARD_NUMBER.texts}) >= 200


def test_a_number_in_an_address_is_found_however_it_is_encoded() -> None:
    found = [url_contains_card_number(one) for one in WITH_CARD_NUMBER.addresses]
    assert found == [True] * len(found)
    assert len(found) >= 20
    assert [
        one for one in WITHOUT_CARD_NUMBER.addresses if url_contains_card_number(one)
    ] == []


def test_a_mask_shows_the_last_four_digits_of_the_number() -> None:
    wrong = [
        ascii(entry.text)
        for entry in WITH_CARD_NUMBER.texts
        if entry.kind != "inside a long run of digits"  # by chance another
        and PAN in re.sub("[^0-9]", "", joined_digits(entry.text))
        and find_masked_card_number(entry.text) not in ("••••4549", "••••5008")
    ]
    assert wrong == []
    assert find_masked_card_number("2026-11-30") == ""


# -- what may be between and around the digits ---------------------------------------

#: first digits → how many digits in all
LENGTHS = {
    "4": (16, 19),
    "51": (16,),
    "2221": (16,),
    "2720": (16,),
    "34": (15,),
    "37": (15,),
    "36": (14, 16),
    "301": (14, 16),
    "3095": (14,),
    "3528": (16, 19),
    "50": (16, 17, 19),
    "6": (16, 17, 19),
    "6011": (16, 19),
    "62": (16, 17, 19),
    "6759": (16, 17, 19),
}


@st.composite
def numbers(draw: st.DrawFn) -> str:
    start = draw(st.sampled_from(sorted(LENGTHS)))
    length = draw(st.sampled_from(LENGTHS[start]))
    rest = length - len(start) - 1
    return with_check_digit(
        start + draw(st.text("0123456789", min_size=rest, max_size=rest))
    )


def neither() -> list[str]:
    """Neither letters nor digits, and one character in NFKC too. Where the groups
    differ, the end of a line is the end of a number."""
    return [
        one
        for one in map(chr, [*range(0xD800), *range(0xE000, 0x110000)])
        if not one.isalnum()
        and one != "\n"
        and unicodedata.category(one) not in ("Cn", "Co")
        and len(folded := unicodedata.normalize("NFKC", one)) == 1
        and not folded.isalnum()
    ]


#: Deferred: most processes that collect this module run other tests.
GAPS = st.deferred(lambda: st.text(st.sampled_from(neither()), max_size=4))
WORDS = st.text(st.characters(codec="utf-8", categories=("L", "Z", "P")))


@given(number=numbers(), data=st.data(), before=WORDS, after=WORDS)
def test_a_number_alone_is_found_with_any_separators(
    number: str, data: st.DataObject, before: str, after: str
) -> None:
    size = len(number) - 1
    gaps = data.draw(st.lists(GAPS, min_size=size, max_size=size))
    text = number[0] + "".join(g + d for g, d in zip(gaps, number[1:], strict=True))
    assume(not re.search("[,;/|&+-] ", folding.fold(text)))  # a list
    assert contains_card_number(f"{before} card {text} {after}")


@given(
    number=numbers(),
    gap=st.sampled_from([" ", "-", "/", ", ", "\u2009", "\u200b \u200b", "    "]),
    size=st.integers(1, 8),
    groups=st.lists(st.integers(0, 9999), max_size=5),
)
def test_other_numbers_around_it_do_not_hide_it(
    number: str, gap: str, size: int, groups: list[int]
) -> None:
    assume(gap != ", " or size in (1, 4))  # a list
    assume(folding.fold(gap) != " " or size > 2)  # the same as around it
    written = gap.join(number[at : at + size] for at in range(0, len(number), size))
    digits = " ".join(map(str, groups))
    assert contains_card_number(f"{digits} {written} {digits}")


@given(
    number=numbers(),
    # two letters of a country could make an IBAN of it, once in a hundred
    before=st.text("xyzXYZ", max_size=4),
    after=st.text(string.ascii_letters, min_size=1, max_size=3),
)
def test_letters_do_not_hide_it(number: str, before: str, after: str) -> None:
    assert contains_card_number(f"{before}{number}{after}1230")


def test_more_than_four_separators_are_alike_between_groups_of_four() -> None:
    groups = GROUPED.split()
    assert contains_card_number("    ".join(groups))
    for many in (" --- ", "     ", "\n" * 12):
        assert contains_card_number(many.join(groups))
        assert not contains_card_number(many.join((PAN[:6], PAN[6:])))
        assert not contains_card_number(f"4349{many}9401 9900 4549")
    assert not contains_card_number(("\n" * 13).join(groups))


@pytest.mark.parametrize("glued", ["1230", "0126", "1249"])
def test_an_expiry_is_told_apart_before_a_number(glued: str) -> None:
    assert Scan().first(f"{glued}{PAN}") == PAN
    assert Scan().first(f"x{glued}{PAN}396") == PAN


@pytest.mark.parametrize("glued", ["1330", "0026", "1250", "2026", "1", "17", "396"])
def test_other_digits_before_an_unbroken_number_are_a_longer_number(glued: str) -> None:
    assert Scan().first(f"{glued}{PAN}") != PAN


@pytest.mark.parametrize("glued", ["1", "17", "396", "1230"])
def test_digits_glued_to_groups_of_four_are_told_apart(glued: str) -> None:
    assert Scan().first(f"{glued}{GROUPED}") == PAN
    assert Scan().first(f"{GROUPED}{glued}") == PAN
    assert Scan().first(f"{glued}{GROUPED.replace(' ', ', ')}") == ""


@pytest.mark.parametrize(
    "text",
    [
        f"\u4e00{PAN}",
        f"{PAN}\u4e00",
        f"<b>{PAN}&nbsp;1</b>",
        f"4349%{PAN[4:8]}%{PAN[8:12]}%{PAN[12:]}",
        "4111%1111%1111%1111",
    ],
)
def test_the_second_reading_hides_nothing(text: str) -> None:
    assert contains_card_number(text)


def test_the_second_reading_leaves_other_texts_as_they_are() -> None:
    for text in ("", "a & b", "50 % of 2 < 3", "&;", "%zz", "&#1114112;x", "\u5361"):
        assert without_markup(text) == text.replace("&#1114112;", " ")
    assert without_markup("&#x664;&#52;%34&nbsp;\u56db<b>4</b>") == "444 4, 4, "


@pytest.mark.parametrize("before", [0, 1, 7, 25, 35, 41, 100])
def test_a_number_inside_one_long_run_is_found(before: int) -> None:
    assert contains_card_number("7" * before + PAN + "7" * 30)
    assert contains_card_number("7 " * before + PAN + " 7" * 30)


def test_every_digit_of_every_script_is_read() -> None:
    digits = [chr(code) for code in range(0x110000) if chr(code).isdigit()]
    assert len(digits) > 700
    assert [
        ascii(one)
        for one in digits
        if joined_digits(f"x{one}y") not in {f"x{n}y" for n in range(10)}
        # (1) and 1. are a digit and more
        and re.sub("[^0-9]", "", joined_digits(one)) != str(unicodedata.digit(one))
    ] == []


@pytest.mark.parametrize(
    "text",
    [PAN, GROUPED, "4349\u20139401\u20139900\u20134549", "\uff14349/9401 / 9900, 4549"],
)
def test_joined_digits_show_a_known_number(text: str) -> None:
    assert joined_digits(f"a {text} b") == f"a {PAN} b"


# -- an error with nothing of the text in it -----------------------------------------


@pytest.mark.parametrize("text", [PAN, GROUPED, f"a{PAN}b", "a" * 3_000 + PAN])
def test_a_text_with_a_card_number_is_refused(text: str) -> None:
    with pytest.raises(CardDataNotAllowed) as caught:
        reject_card_number("reference", text)
    assert str(caught.value) == "reference seems to contain a card number"
    assert caught.value.__context__ is None


def test_a_text_is_read_as_far_as_it_could_be_stored() -> None:
    reject_card_number("description", "a" * 1_000_000)
    reject_card_number("description", "a" * MAX_TEXT_LENGTH + PAN)
