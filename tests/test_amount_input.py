"""Amounts that people type are read exactly, in each language alike, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_UP, Decimal, localcontext

import pytest
from django.conf.locale import LANG_INFO
from django.test import override_settings
from django.utils import formats, translation
from hypothesis import example, given
from hypothesis import strategies as st

from nexi_payments import amount_input, money
from nexi_payments.admin.amount_field import input_text
from nexi_payments.admin.forms import AmountForm
from nexi_payments.amount_input import AmountParseError, AmountProblem
from nexi_payments.exceptions import InvalidAmount

pytestmark = pytest.mark.seen_on("sqlite")

CODES = sorted(money.CURRENCIES)
#: One for each number of decimals.
SHORT, USUAL, LONG = "JPY", "EUR", "KWD"
LANGUAGES = sorted(LANG_INFO)
currencies = st.sampled_from(CODES)
minor_units = st.one_of(
    st.integers(1, money.MAX_MINOR), st.integers(1, 9_999_999), st.integers(1, 2000)
)
#: What a host may have said about numbers: nothing, or what bites.
HOSTS = [
    {},
    {"USE_THOUSAND_SEPARATOR": True},
    {"USE_THOUSAND_SEPARATOR": True, "NUMBER_GROUPING": 3},
    {
        "USE_THOUSAND_SEPARATOR": True,
        "NUMBER_GROUPING": (3, 2, 0),
        "DECIMAL_SEPARATOR": ",",
        "THOUSAND_SEPARATOR": ".",
    },
    {"DECIMAL_SEPARATOR": "·", "THOUSAND_SEPARATOR": "'", "NUMBER_GROUPING": 3},
]


@pytest.fixture(params=HOSTS, ids=["plain", "grouped", "threes", "indian", "odd"])
def host(request: pytest.FixtureRequest) -> Iterator[None]:
    with override_settings(**request.param):
        yield


def meant(text: str, currency: str = USUAL) -> list[Decimal]:
    """One amount, or those that the person chooses from, or none."""
    try:
        return [amount_input.parse(text, currency)]
    except AmountParseError as refused:
        return list(refused.candidates)


# -- what is taken -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "amount"),
    [
        (
            "20|20 EUR|eur 20|EUR20|€20|€ 20|20€|20 €|€ 20 EUR|20 euro|+20|+ €20",
            "20.00",
        ),
        ("20.00|20,00|20,0|20.|20,|20,-|20,--|20,–|€20,—|020", "20.00"),
        (
            "12.50|12,50|12.5|12,5|١٢٫٥٠|١٢،٥٠|۱۲٫۵۰|१२.५०|１２．５０|１２，５０",
            "12.50",
        ),
        (".50|,50|0.5|0,500|0.500|.500|€ .50", "0.50"),
        ("1.234,50|1,234.50|1234.50|1234,5|1'234.50|1’234,50|1234.500", "1234.50"),
        ("1 234,50|1\xa0234,50|1\u202f234.50|1\u2009234,50|1\u3000234.50", "1234.50"),
        ("\u200f1.234,50\u200e|\u20661,234.50\u2069| 1\t234,50\n|١٬٢٣٤٫٥٠", "1234.50"),
        ("1 500|1'500|1.500,-|1,500.|1.500,0|1٬500|١٬٥٠٠", "1500.00"),
        ("1.234.567|1,234,567|1 234 567|12,34,567|1234567|1'234'567.00", "1234567.00"),
        ("1,23,456.50|1.23.456,50|123,456.5|123.456,50|123 456.50", "123456.50"),
        ("9999999999,99|9.999.999.999,99|9,99,99,99,999.99", "9999999999.99"),
    ],
)
def test_what_can_mean_one_amount_only(texts: str, amount: str) -> None:
    for text in texts.split("|"):
        assert str(amount_input.parse(text, USUAL)) == amount, text


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("1.500", SHORT, "1500"),  # yen have no decimals
        ("1,500", SHORT, "1500"),
        ("¥1,500", SHORT, "1500"),
        ("￥ 1500", SHORT, "1500"),
        ("1.000", SHORT, "1000"),
        ("12.00", SHORT, "12"),
        ("1.50", LONG, "1.500"),
        ("1.234,567", LONG, "1234.567"),
        ("1234.567", LONG, "1234.567"),
        ("1.2340", LONG, "1.234"),
        ("0.234", LONG, "0.234"),
        ("Fr. 20.50", "CHF", "20.50"),
        ("CHF 1'234.50", "CHF", "1234.50"),
        ("20 kr.", "SEK", "20.00"),
        ("Kč 20", "CZK", "20.00"),
        ("$20", "USD", "20.00"),
        ("$20", "CAD", "20.00"),
        ("CA$20", "CAD", "20.00"),
        ("£20.50", "GBP", "20.50"),
    ],
)
def test_the_currency_counts(text: str, currency: str, amount: str) -> None:
    assert str(amount_input.parse(text, currency)) == amount


# -- what is asked -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "currency", "readings"),
    [
        (
            "1.500|1,500|€1.500|1,500 EUR|01.500|0001,500|１．５００",
            USUAL,
            "1.50 1500.00",
        ),
        ("1.000|1,000", USUAL, "1.00 1000.00"),
        ("999,990", USUAL, "999.99 999990.00"),
        ("12.345", LONG, "12.345 12345.000"),
        ("1,500", LONG, "1.500 1500.000"),
    ],
)
def test_what_may_mean_two_is_refused_with_both(
    texts: str, currency: str, readings: str
) -> None:
    for text in texts.split("|"):
        with pytest.raises(AmountParseError) as refused:
            amount_input.parse(text, currency)
        assert refused.value.problem is AmountProblem.AMBIGUOUS
        assert [str(one) for one in refused.value.candidates] == readings.split()


@given(
    whole=st.integers(1, 999),
    rest=st.integers(0, 999),
    mark=st.sampled_from(".,"),
    currency=st.sampled_from([code for code in CODES if money.exponent(code)]),
)
def test_three_digits_behind_one_separator_are_never_taken_unasked(
    whole: int, rest: int, mark: str, currency: str
) -> None:
    with pytest.raises(AmountParseError) as refused:
        amount_input.parse(f"{whole}{mark}{rest:03d}", currency)
    assert Decimal(whole * 1000 + rest) in refused.value.candidates


@pytest.mark.parametrize("text", ["12.505", "12,505", "€12.505"])
def test_a_slip_of_the_key_is_not_twelve_thousand(text: str) -> None:
    with pytest.raises(AmountParseError) as refused:
        amount_input.parse(text, USUAL)
    assert refused.value.problem is AmountProblem.DECIMALS
    assert refused.value.candidates == (Decimal(12505),)


# -- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "currency", "texts"),
    [
        (
            AmountProblem.UNREADABLE,
            USUAL,
            "|twelve|€|.|,|1e3|1E3|1e-2|NaN|Infinity|0x10|1_000|(5)|5-|12²|½|Ⅻ|①"
            "|12 50|1 2'4|1.2'4,50|1..5|1.,5|1,,500|1.5.0|1,234,56"
            "|1.2345.678|1,2345,678|0.234.567"
            "|1 234.567,50|1.234'567,50|1'23|Rs.500|EUR.50|€.50|5k|20€50|20 EUR x|--5"
            "|+-5|-€-5|2٢|1;5|1/2|1:50|20%|20,---|=20|'20|\x0020|20 21",
        ),
        (
            AmountProblem.DECIMALS,
            USUAL,
            "1.234,567|12.5000|1234.567|0.505|.005|1,234.505|12,3456",
        ),
        (
            AmountProblem.DECIMALS,
            SHORT,
            "1.5|1.50|0.500|12,0000|1.234,000|1.234.567,50",
        ),
        (AmountProblem.DECIMALS, LONG, "1.2345|1.23400|12.34567"),
        (
            AmountProblem.CURRENCY,
            USUAL,
            "20 USD|usd 20|$20|£ 20|20 kr.|Fr. 20|¥20|€ 20 USD|JPY 1,500|20 ₽",
        ),
        (AmountProblem.CURRENCY, "CAD", "US$20|A$ 20|€20"),
        (
            AmountProblem.NOT_POSITIVE,
            USUAL,
            "0|0,00|0.000|00|-5|−5|–1.500|€ -5|-€5|- 5",
        ),
        (
            AmountProblem.TOO_LARGE,
            USUAL,
            "10000000000|99.999.999.999,99|999999999999999999|4349940199004549",
        ),
    ],
)
def test_what_is_refused(problem: AmountProblem, currency: str, texts: str) -> None:
    for text in texts.split("|"):
        with pytest.raises(AmountParseError) as refused:
            amount_input.parse(text, currency)
        found = (refused.value.problem, refused.value.candidates)
        assert found == (problem, ()), text


def test_a_currency_that_nobody_knows() -> None:
    with pytest.raises(InvalidAmount):
        amount_input.parse("20", "XXX")


class _Untouched(str):
    """A text that is measured, and nothing else."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("the text was read")


def test_a_long_text_is_refused_unread() -> None:
    with pytest.raises(AmountParseError) as refused:
        amount_input.parse(_Untouched("1" * 65), USUAL)
    assert refused.value.problem is AmountProblem.UNREADABLE
    assert amount_input.parse("0" * 62 + "20", USUAL) == 20


# -- whatever comes ------------------------------------------------------------------


@given(
    text=st.text(st.sampled_from("0123456789.,' -+٫٬€"), max_size=14),
    currency=st.sampled_from([SHORT, USUAL, LONG]),
)
@example(text="1.500", currency=SHORT)
def test_the_digits_are_those_that_were_typed(text: str, currency: str) -> None:
    typed = "".join(char for char in text if char.isdigit()).strip("0")
    for amount in meant(text, currency):
        assert 0 < money.to_minor(amount, currency) <= money.MAX_MINOR
        assert -amount.as_tuple().exponent == money.exponent(currency)  # type: ignore[operator]
        assert str(amount).replace(".", "").strip("0") == typed


@given(text=st.text(max_size=80), currency=currencies)
def test_any_text_is_taken_or_refused(text: str, currency: str) -> None:
    found = meant(text, currency)
    assert found == sorted(set(found))
    assert all(amount > 0 for amount in found)


@given(minor=minor_units, digits=st.integers(1, 9))
def test_a_low_precision_in_the_host_changes_no_amount(minor: int, digits: int) -> None:
    amount = money.to_major(minor, USUAL)
    with localcontext() as context:
        context.prec = digits
        context.rounding = ROUND_UP
        assert amount_input.parse(str(amount), USUAL) == amount
        assert amount_input.format_amount(amount, USUAL) == str(amount)


# -- all of Django's languages -------------------------------------------------------


@pytest.mark.usefixtures("host")
@given(minor=minor_units, currency=currencies, language=st.sampled_from(LANGUAGES))
@example(minor=1500, currency=LONG, language="it")
@example(minor=150000, currency=SHORT, language="en")
def test_what_we_show_is_never_read_as_another_amount(
    minor: int, currency: str, language: str
) -> None:
    amount = money.to_major(minor, currency)
    digits = money.exponent(currency)
    with translation.override(language):
        shown = {
            formats.number_format(amount, digits, force_grouping=True),
            formats.number_format(amount, digits),
            formats.localize_input(amount),
            str(amount),
            f"{amount.normalize():f}",
        }
    for text in shown:
        if "·" not in text:
            for typed in (text, f"{text} {currency}", f"{currency} {text}"):
                readings = meant(typed, currency)
                assert amount in readings, typed
                assert len(readings) == 1 or digits


@pytest.mark.usefixtures("host")
@given(minor=minor_units, currency=currencies, language=st.sampled_from(LANGUAGES))
@example(minor=1234, currency=LONG, language="it")
@example(minor=1500, currency=LONG, language="en")
@example(minor=150000, currency=USUAL, language="hi")
@example(minor=1500, currency=SHORT, language="fr")
def test_what_stands_in_the_field_comes_back_unchanged(
    minor: int, currency: str, language: str
) -> None:
    amount = money.to_major(minor, currency)
    with translation.override(language):
        data = {
            "amount": input_text(amount, currency),
            "expected_remaining": str(amount),
        }
        form = AmountForm(data, currency=currency)
        assert form.is_valid(), form.errors
    assert (
        form.cleaned_data["amount"] == form.cleaned_data["expected_remaining"] == amount
    )


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("1.500", ["1.50", "1500.00"]),
        ("1,500", ["1.50", "1500.00"]),
        ("12,50", ["12.50"]),
        ("12.50", ["12.50"]),
        ("1.234,50", ["1234.50"]),
        ("1,234.50", ["1234.50"]),
    ],
)
def test_the_language_changes_nothing(text: str, readings: list[str]) -> None:
    for language in LANGUAGES:
        with translation.override(language):
            form = AmountForm(
                {"amount": text, "expected_remaining": "1"}, currency=USUAL
            )
            taken = form.is_valid()
            chosen = [
                AmountForm(
                    {"amount": one.value, "expected_remaining": "1"}, currency=USUAL
                )
                for one in form.amount_choices
            ]
            found = [form, *chosen] if taken else chosen
            assert all(one.is_valid() for one in found), language
        assert [str(one.cleaned_data["amount"]) for one in found] == readings, language
        assert taken == (len(readings) == 1), language
