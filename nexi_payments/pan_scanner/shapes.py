"""Known shapes with many digits that are not card numbers.

Each pattern reads a bounded number of characters, or one class of characters, so the
time is linear in the length of the text.
"""

from __future__ import annotations

import re
from typing import Final

#: ASCII only: "ı" is not the "I" of an IBAN.
_ANY_CASE: Final = re.IGNORECASE | re.ASCII
#: Replaces a known shape. It has a letter, so no number extends across it.
_PLACEHOLDER: Final = " x "
_UUID: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])", _ANY_CASE
)
#: Digests and UUIDs without dashes. Shorter ones may be a word next to a number, and no
#: digest in use is longer than 512 bits.
_LONG_WORD: Final = re.compile(r"[0-9A-Za-z]{32,}")
_HEXADECIMAL: Final = re.compile(r"(?=.{32,128}$)[0-9]*[a-f][0-9a-f]*", _ANY_CASE)
#: Letters before or after one number are not a digest, which mixes them.
_LABELLED: Final = re.compile(r"[a-z]*[0-9]{14,23}[a-z]*", _ANY_CASE)
_FRACTION: Final = re.compile(r"(^|[^0-9.,])0\.[0-9]{14,}")
_ZONE: Final = r"(?: ?[+-][0-9]{2}:?[0-9]{2})?"
_TIME_OF_DAY: Final = (
    r"(?:[T _,-]{1,2}(?:[01]?[0-9]|2[0-3])[:._h-][0-5][0-9]"
    r"(?:[:._m-][0-5][0-9](?:[.,:_-][0-9]{1,9})?)?" + _ZONE + ")?"
)
_TIMESTAMP: Final = re.compile(
    r"(^|[^0-9])(?:"
    r"(?:19|20)[0-9]{2}([-/._])(?:0?[1-9]|1[0-2])\2(?:[12][0-9]|3[01]|0?[1-9])"
    rf"{_TIME_OF_DAY}"
    rf"|[0-3]?[0-9]([-/.])[0-3]?[0-9]\3(?:19|20)[0-9]{{2}}{_TIME_OF_DAY}"
    rf"|(?:19|20)[0-9]{{6}}T[0-9]{{6}}(?:[.,][0-9]{{1,9}})?{_ZONE}"
    r")(?![0-9]|[-/._:][0-9])",
    _ANY_CASE,
)
_TIME: Final = re.compile(
    r"(^|[^0-9:])(?:[01]?[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.,][0-9]{1,9}"
    rf"{_ZONE}(?![0-9]|[-/._:][0-9])"
)
_NOT_BEFORE_DIGIT: Final = r"(?![\W_]{0,4}[0-9])"
#: The printed notice code of an Italian public body (pagoPA). 35 belongs to JCB.
_PAGOPA_NOTICE: Final = re.compile(
    rf"(^|[^0-9])3[0-46-9][0-9]{{2}}(?: [0-9]{{4}}){{3}} [0-9]{{2}}{_NOT_BEFORE_DIGIT}"
)
#: Order numbers of Amazon.
_AMAZON_ORDER: Final = re.compile(r"(^|[^0-9])[0-9]{3}-[0-9]{7}-[0-9]{7}(?!-?[0-9])")
#: Numbers of French companies: 14 digits with a Luhn check digit.
_SIRET: Final = re.compile(
    rf"(^|[^0-9])(?:[0-9]{{3}} ){{3}}[0-9]{{5}}{_NOT_BEFORE_DIGIT}"
)
#: Two Spanish phone numbers have as many digits as some Maestro numbers.
_PHONE: Final = r"[67][0-9]{2}[ .]?[0-9]{3}[ .]?[0-9]{3}"
_PHONES: Final = re.compile(
    rf"(^|[^0-9]){_PHONE}(?:[ ,;/|-]{{1,3}}{_PHONE}){{1,4}}{_NOT_BEFORE_DIGIT}"
)
#: In this order. Their first group is the character before the shape.
_AFTER_ANOTHER_CHARACTER: Final = (
    _FRACTION,
    _PAGOPA_NOTICE,
    _AMAZON_ORDER,
    _SIRET,
    _PHONES,
    _TIMESTAMP,
    _TIME,
)
_BREAK: Final = re.compile(r"[ -]")
_IBAN: Final = re.compile(
    r"(^|[^0-9A-Za-z])"
    r"([A-Z]{2}[0-9]{2}(?:[ -]?[0-9A-Z]{4}){2,7}(?:[ -]?[0-9A-Z]{1,3})?)"
    r"(?![0-9A-Za-z])",
    _ANY_CASE,
)
#: Country and length, from SWIFT's registry.
_IBAN_LENGTHS: Final = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 "
    "CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 "
    "GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 "
    "LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 "
    "OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 "
    "ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
)


def without_known_shapes(text: str) -> str:
    """The folded text, with ``_PLACEHOLDER`` in place of each known shape."""
    text = _UUID.sub(_uuid, text)
    text = _LONG_WORD.sub(_digest, text)
    for shape in _AFTER_ANOTHER_CHARACTER:
        text = shape.sub(_without_shape, text)
    return _IBAN.sub(_iban, text)


def _without_shape(match: re.Match[str]) -> str:
    """A function: ``re`` parses a template anew on each call, found or not, before
    Python 3.12, which was half of a scan."""
    return f"{match[1]}{_PLACEHOLDER}"


def _uuid(match: re.Match[str]) -> str:
    """A UUID of digits only counts if it has a valid version and variant (RFC 9562).
    Otherwise it is a number in groups of the same sizes."""
    word = match.group()
    digits = word.replace("-", "")
    is_uuid = word[14] in "12345678" and word[19] in "89"
    return digits if digits.isdigit() and not is_uuid else _PLACEHOLDER


def _digest(match: re.Match[str]) -> str:
    word = match.group()
    if _LABELLED.fullmatch(word) or not _HEXADECIMAL.fullmatch(word):
        return word
    return _PLACEHOLDER


def _iban(match: re.Match[str]) -> str:
    """Try shorter matches, too: words after an IBAN may look like its last groups."""
    before, candidate = match.groups()
    cuts = [
        len(candidate),
        *(gap.start() for gap in reversed([*_BREAK.finditer(candidate)])),
    ]
    for cut in cuts:
        if _is_iban(_BREAK.sub("", candidate[:cut])):
            return f"{before}{_PLACEHOLDER}{candidate[cut:]}"
    return match.group()


def _is_iban(text: str) -> bool:
    """ISO 13616: the first four characters go to the end, A is 10 … Z is 35, mod 97."""
    if f"{text[:2].upper()}{len(text)}" not in _IBAN_LENGTHS:
        return False
    numbers = (str(int(character, 36)) for character in text[4:] + text[:4])
    return int("".join(numbers)) % 97 == 1
