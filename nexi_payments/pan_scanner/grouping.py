"""Whether groups of digits are written as one card number, or are several numbers."""

from __future__ import annotations

import re
from functools import cache
from itertools import accumulate
from typing import Final

from nexi_payments.card import brand_of

#: Digits by scheme, in the order in which they are tried. "MAESTRO" includes Discover
#: and UnionPay. 13 digits are missing for Visa: such cards have not been issued for
#: decades, and order numbers, EANs and timestamps have 13 digits.
_LENGTHS: Final = {
    "VISA": (16, 19),
    "MC": (16,),
    "AMEX": (15,),
    "DINERS": (14, 16, 15, 19, 18, 17),
    "JCB": (16, 19, 18, 17),
    "MAESTRO": (16, 19, 18, 17),
}
#: ISO/IEC 7812 allows these lengths, but no issuer is known to use them. Such a number
#: is found only in groups of four.
_RARE_LENGTHS: Final = {"DINERS": (15, 17, 18, 19), "JCB": (17, 18)}
#: Nexi's operation ids have 18 digits without a break. A card number of 18 digits is
#: found only in groups.
_OPERATION_ID_DIGITS: Final = 18
_ZERO: Final = ord("0")
#: Digit → the sum of the digits of its double, for every second digit in Luhn.
_DOUBLED: Final = str.maketrans("0123456789", "0246813579")
_GAP: Final = re.compile(r"([\W_]+)")
#: Besides groups of four. In the last one only the first four digits are separate.
_SIZES_ON_CARDS: Final = ([4, 6, 5], [4, 6, 4], [4, 12])
#: Here, extra digits at the first or the last group can be told from the number.
_UNAMBIGUOUS_SIZES: Final = ([4, 4, 4, 4], [4, 6, 5])
#: Between the items of a list. A line break, or a dash with blanks, may also be inside
#: a number that has the same separator everywhere.
_LIST_SEPARATOR: Final = re.compile(r"[,;/|&+] ")
_LIST_OR_LINE_SEPARATOR: Final = re.compile(r"[,;/|&+-] |\n")
_MONTH: Final = r"(?:0[1-9]|1[0-2])"
_EXPIRY: Final = rf"(?:{_MONTH}(?:20)?[2-4][0-9]|(?:20)?[2-4][0-9]{_MONTH})"
#: What may follow a number in its own group, by the length of the number.
SUFFIXES: Final = {
    15: re.compile(rf"{_EXPIRY}(?:[0-9]{{4}})?|[0-9]{{4}}"),
    16: re.compile(rf"{_EXPIRY}(?:[0-9]{{3}})?|[0-9]{{3}}"),
}
#: What may follow in further groups: an expiry date with or without security code, or
#: nothing.
_MAX_SUFFIX_DIGITS: Final = 10
_TRAILING_EXPIRY: Final = re.compile(rf"(?:{_EXPIRY}(?:[0-9]{{3,4}})?)?")
#: An expiry date before a number in one group, month first: ids that begin with a year
#: are common.
_LEADING_EXPIRY: Final = re.compile(rf"{_MONTH}[2-4][0-9](?:[0-9]{{16}}|[0-9]{{19}})")


class DigitRun:
    """Groups of digits and the separators between them."""

    __slots__ = ("_doubled", "digits", "edges", "gaps", "groups")

    def __init__(self, text: str) -> None:
        parts = _GAP.split(text)
        self.groups, self.gaps = parts[::2], parts[1::2]
        self.digits = "".join(self.groups)
        self._doubled = self.digits.translate(_DOUBLED)
        #: the start of each group in ``digits``, and the end of the last one
        self.edges = [0, *accumulate(map(len, self.groups))]

    def passes_luhn(self, start: int, stop: int) -> bool:
        """Whether ``digits[start:stop]`` has a valid check digit."""
        odd = (stop - start) % 2
        codes = self._doubled[start + odd : stop : 2].encode()
        codes += self.digits[start + 1 - odd : stop : 2].encode()
        return (sum(codes) - len(codes) * _ZERO) % 10 == 0

    def candidate_starts(self, first: int) -> list[int]:
        """Where a number may begin in a group: at its first digit, after an expiry
        date, or at its last four digits, if extra digits precede groups of four."""
        group, start = self.groups[first], self.edges[first]
        if _LEADING_EXPIRY.fullmatch(group):
            return [start, start + 4]
        if 4 < len(group) < 9:
            return [start, self.edges[first + 1] - 4]
        return [start]

    def is_written_as_one_number(self, first_group: int, start: int, stop: int) -> bool:
        """Whether the digits from ``start``, in ``first_group``, to ``stop`` are
        written as one number, and are not several numbers of a text."""
        last = first_group + 1  # edges[last] is the end of the group of ``stop``
        while self.edges[last] < stop:
            last += 1
        edges = [start, *self.edges[first_group + 1 : last], stop]
        sizes = [edges[at + 1] - edges[at] for at in range(len(edges) - 1)]
        length, extra = stop - start, self.edges[last] - stop
        suffix_ok = self._is_expiry_or_security_code(length, stop, extra)
        if len(sizes) == 1:
            return suffix_ok and length not in (
                _OPERATION_ID_DIGITS,
                *_rare_pan_lengths(self.digits[start : start + 4]),
            )
        gaps = set(self.gaps[first_group : last - 1])
        if start > self.edges[first_group] or not suffix_ok:
            clear = len(gaps) == 1 and not any(map(_LIST_SEPARATOR.search, gaps))
            continues = last < len(self.groups) and len(self.groups[last]) == 4
            clear = clear and (not continues or self._ends_with(stop))
            return clear and sizes in _UNAMBIGUOUS_SIZES and (suffix_ok or extra < 3)
        if _in_fours(sizes):
            return True
        if length in _rare_pan_lengths(self.digits[start : start + 4]):
            return False
        if sizes in _SIZES_ON_CARDS:
            return True
        if len(gaps) > 1:
            is_list = any(map(_LIST_OR_LINE_SEPARATOR.search, gaps))
            return not is_list and first_group == 0 and self._ends_with(stop)
        return self._is_written_evenly(first_group, last, stop, sizes)

    def _is_written_evenly(
        self, first: int, last: int, stop: int, sizes: list[int]
    ) -> bool:
        """As ``is_written_as_one_number``, for groups of any size with one separator.
        Small groups are a number only with another separator, or none, around them."""
        gap, even = self.gaps[first], _are_even(sizes)
        ends = self._ends_with(stop)
        set_off = (first == 0 or self.gaps[first - 1] != gap) and (
            ends or last == len(self.groups) or self.gaps[last - 1] != gap
        )
        if _LIST_SEPARATOR.search(gap):
            return even and sizes[0] == 1 and set_off
        if min(sizes[:-1]) > 2:
            return even or len(sizes) < 5 or (first == 0 and ends)
        return set_off and (even or len(sizes) < 5)

    def _ends_with(self, stop: int) -> bool:
        """Whether only an expiry date and a security code follow, or nothing."""
        short = len(self.digits) - stop <= _MAX_SUFFIX_DIGITS
        return short and _TRAILING_EXPIRY.fullmatch(self.digits, stop) is not None

    def _is_expiry_or_security_code(self, length: int, stop: int, extra: int) -> bool:
        """Whether the ``extra`` digits directly after a number are its expiry date, its
        security code, both, or none."""
        if not extra:
            return True
        if length not in SUFFIXES or extra > _MAX_SUFFIX_DIGITS:
            return False
        return SUFFIXES[length].fullmatch(self.digits, stop, stop + extra) is not None


def _are_even(sizes: list[int]) -> bool:
    return all(size == sizes[0] for size in sizes[:-1]) and sizes[-1] <= sizes[0]


def _in_fours(sizes: list[int]) -> bool:
    return sizes[0] == 4 and _are_even(sizes)


@cache
def pan_lengths(start: str) -> tuple[int, ...]:
    """The lengths of card numbers that begin with these four digits."""
    return _LENGTHS.get(brand_of(start), ()) if len(start) == 4 else ()


@cache
def _rare_pan_lengths(start: str) -> tuple[int, ...]:
    return _RARE_LENGTHS.get(brand_of(start), ())
