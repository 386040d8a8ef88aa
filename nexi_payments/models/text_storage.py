"""Which characters the columns of our tables can store.

MySQL and MariaDB reject a character outside a column's character set with an error:
``utf8mb3``, the older default, has no emoji. ``check`` reports such a database (E050);
forms and ``create_order`` reject the text with a sentence until it is converted.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from django.db import connections

from nexi_payments.input_errors import UnstorableText
from nexi_payments.models import db_transactions
from nexi_payments.pan_scanner import reject_card_number
from nexi_payments.text_input import one_line

UTF8MB4: Final = "utf8mb4"
#: Character sets of MySQL that Python knows by another name; others count as utf8mb3.
_CODECS: Final = {"latin1": "cp1252", "ascii": "ascii", "latin2": "iso8859-2"}


def unstorable_character(text: str) -> str:
    """The first character that cannot be stored, or "".

    On every database that is a NUL and half of a surrogate pair. Reads the character
    set once a process, and only for text that is not ASCII.
    """
    if text.isascii() and "\x00" not in text:
        return ""
    for one in text:
        if one == "\x00" or "\ud800" <= one <= "\udfff":
            return one
    connection: Any = connections[db_transactions.alias()]
    if connection.vendor != "mysql":
        return ""
    charset = _charset(connection.alias)
    return next((one for one in text if not _fits(one, charset)), "")


def reject_text(name: str, text: str) -> None:
    """Raise ``CardDataNotAllowed`` or ``UnstorableText`` for a text from outside."""
    reject_card_number(name, text)
    if character := unstorable_character(text):
        raise UnstorableText(name, character)


def storable_line(name: str, text: str) -> str:
    """``text`` in one line (``one_line``). Raises as ``reject_text``."""
    line = one_line(text)
    reject_card_number(name, line)  # what stood on two lines is beside each other now
    reject_text(name, text)
    return line


@functools.cache
def _charset(alias: str) -> str:
    from nexi_payments.models import PaymentOrder  # imports this package

    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT character_set_name FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = %s"
            " AND column_name = 'description'",
            [PaymentOrder._meta.db_table],
        )
        found = cursor.fetchone()
    return str(found[0]) if found else UTF8MB4


def _fits(character: str, charset: str) -> bool:
    if charset == UTF8MB4:
        return True
    if charset not in _CODECS:
        return character <= "\uffff"
    try:
        character.encode(_CODECS[charset])
    except UnicodeEncodeError:
        return False
    return True
