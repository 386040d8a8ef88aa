"""Texts of closed days for staff: differences, totals, and why none was closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from nexi_payments import date_texts, money
from nexi_payments.admin import method_texts
from nexi_payments.enums import (
    SIGN,
    Aspect,
    Channel,
    DifferenceKind,
    Movement,
    OperationKind,
    OperationOutcome,
)
from nexi_payments.exceptions import ClosingError, DayNotOver, InvalidAmount
from nexi_payments.models import ClosingDifference, DayClosing

_KINDS: Final[dict[str, Any]] = dict(DifferenceKind.choices)
_ASPECTS: Final[dict[str, Any]] = dict(Aspect.choices)
_MOVEMENTS: Final[dict[str, Any]] = dict(Movement.choices)
_CHANNELS: Final[dict[str, Any]] = dict(Channel.choices)
_OUR_KINDS: Final[dict[str, Any]] = dict(OperationKind.choices)
_OUTCOMES: Final[dict[str, Any]] = dict(OperationOutcome.choices)
#: What a line of totals is grouped by: name → heading.
GROUPS: Final = {
    "movement": _("Movement"),
    "terminal": _("Terminal"),
    "channel": _("Channel"),
    "method": _("Payment method"),
    "circuit": _("Card scheme"),
    "clerk": _("Clerk"),
}
NO_ANSWER: Final = _(
    "Nexi did not answer completely, so the day was not closed. Nothing was changed."
    " Try again later. For a day with many operations, ask your administrator to run"
    " nexi_close_day."
)
NOTHING_TO_ADOPT: Final = _(
    "Nexi shows no money of this order that can be taken over. Look into Nexi's back"
    " office."
)


def error_text(error: ClosingError) -> Any:
    if isinstance(error, DayNotOver):
        return _("This day is not over. It can be closed from %(when)s on.") % {
            "when": date_texts.moment(error.closable_from)
        }
    return _("This day was closed before. To close it again, tick the box.")


def amount(minor: int | None, currency: str) -> str:
    """A localized amount; minor units with a currency that we do not know."""
    if minor is None:
        return "–"
    try:
        return money.display(minor, currency)
    except InvalidAmount:
        return f"{minor} {currency}".rstrip()


def describe(one: ClosingDifference) -> dict[str, Any]:
    """A difference for the page: what it is, here and at Nexi."""
    aspects = [str(_ASPECTS.get(word, word)) for word in one.aspects.split()]
    return {
        "row": one,
        "kind": _KINDS[one.kind],
        "aspects": ", ".join(aspects),
        "ours": _ours(one),
        "theirs": _theirs(one),
        "at": one.at,
    }


def _ours(one: ClosingDifference) -> list[str]:
    if one.kind == DifferenceKind.MISSING_HERE:
        return []
    words = [_OUR_KINDS.get(one.our_kind, ""), _OUTCOMES.get(one.our_outcome, "")]
    return [
        *(str(word) for word in words if word),
        amount(one.our_amount, one.our_currency),
    ]


def _theirs(one: ClosingDifference) -> list[str]:
    if one.kind == DifferenceKind.MISSING_THERE:
        return []
    words = [one.their_type, one.their_result]
    return [
        *(word for word in words if word),
        amount(one.their_amount, one.their_currency),
    ]


# -- totals ----------------------------------------------------------------------------


def sums_by(closing: DayClosing, name: str) -> list[dict[str, Any]]:
    """The totals grouped by one of ``GROUPS``, for each currency: sums here and at
    Nexi. By movement as they are, otherwise what the shop keeps.
    """
    sums: dict[tuple[str, str], list[int]] = {}
    for line in closing.totals:
        sign = 1 if name == "movement" else SIGN.get(line["movement"], 0)
        if not sign:
            continue
        found = sums.setdefault((line[name], line["currency"]), [0, 0, 0, 0])
        found[0] += line["count"]
        found[1] += sign * line["amount"]
        found[2] += line["count_at_nexi"]
        found[3] += sign * line["amount_at_nexi"]
    return [
        {
            "name": _label(name, value),
            "count": found[0],
            "ours": amount(found[1], currency),
            "count_at_nexi": found[2],
            "theirs": amount(found[3], currency),
            "same": found[:2] == found[2:],
        }
        for (value, currency), found in sorted(sums.items())
    ]


def kept(closing: DayClosing) -> list[dict[str, Any]]:
    """For each currency: what was charged and captured, less what was given back."""
    return [
        {**line, "name": currency}
        for line, currency in (
            (line, line["ours"].rpartition(" ")[2]) for line in _all(closing)
        )
    ]


def _all(closing: DayClosing) -> list[dict[str, Any]]:
    whole = DayClosing(totals=[{**line, "all": ""} for line in closing.totals])
    return sums_by(whole, "all")


def _label(name: str, value: str) -> Any:
    if name == "movement":
        return _MOVEMENTS.get(value, value or "–")
    if name == "channel":
        return _CHANNELS.get(value, value or "–")
    if name == "method":
        return method_texts.method_label(value)
    if name == "clerk":
        return value or _("shop")
    return value or "–"


# -- CSV -------------------------------------------------------------------------------

CSV_COLUMNS: Final = (
    *("record", "kind", "aspects", "terminal", "channel", "method", "circuit"),
    *("clerk", "currency", "count", "amount", "count_at_nexi", "amount_at_nexi"),
    *("currency_at_nexi", "order_id", "reference", "operation_id"),
    *("outcome", "outcome_at_nexi", "at"),
)


def csv_rows(
    closing: DayClosing, differences: Iterable[ClosingDifference]
) -> Iterator[tuple[Any, ...]]:
    """The totals, then the differences, in one table. Amounts in major units."""
    yield CSV_COLUMNS
    for line in closing.totals:
        currency = line["currency"]
        yield (
            *("total", line["movement"], "", line["terminal"], line["channel"]),
            *(line["method"], line["circuit"], line["clerk"], currency),
            *(line["count"], _major(line["amount"], currency)),
            *(line["count_at_nexi"], _major(line["amount_at_nexi"], currency)),
            *(currency, "", "", "", "", "", ""),
        )
    for one in differences:
        at = "" if one.at is None else one.at.isoformat(timespec="seconds")
        yield (
            *("difference", one.kind, one.aspects, one.terminal, "", "", "", ""),
            *(one.our_currency, "", _major(one.our_amount, one.our_currency), ""),
            *(_major(one.their_amount, one.their_currency), one.their_currency),
            *(one.order_id, one.reference, one.operation_id),
            *(one.our_outcome, one.their_result, at),
        )


def _major(minor: int | None, currency: str) -> Any:
    if minor is None:
        return ""
    try:
        return money.to_major(minor, currency)
    except InvalidAmount:
        return minor
