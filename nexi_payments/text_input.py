"""Texts of one line, and addresses: no control characters and line breaks.

A line break in a reference ends the subject of an email. A tab or a carriage return
begins a cell of a spreadsheet, and so perhaps a formula.
"""

from __future__ import annotations

import re
from typing import Final

#: C0 and C1 controls, and the separators of lines and paragraphs.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: A web address, or a path of this site: begins with one slash, has no backslash, blank
#: or control character.
URL_OR_PATH_PATTERN: Final = (
    r"(?:/(?![/\\])|https?://[^\s/?#\\])[^\s\\\x00-\x1f\x7f-\x9f]*"
)
URL_OR_PATH: Final = re.compile(URL_OR_PATH_PATTERN)


def has_control_characters(text: str) -> bool:
    """Whether it has a control character or a line break."""
    return _CONTROL.search(text) is not None


def one_line(text: str) -> str:
    """With a blank for each control character and line break, without blanks around it.

    Look for card numbers afterwards: what stood on two lines stands beside each other
    now. Runs of blanks stay, as digits that are far apart are no card number.
    """
    return _CONTROL.sub(" ", text).strip()
