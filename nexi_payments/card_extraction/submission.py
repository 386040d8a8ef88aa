"""The posted fields of a card form, in memory, until the view takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

#: The names of the card's fields, in our forms and in the API.
CARD_FIELDS: Final = ("card_number", "expiry", "security_code")
#: The fields that are secret in any form. An expiry date alone is not.
SECRET_FIELDS: Final = ("card_number", "security_code")

Result = TypeVar("Result")


class Submission:
    """All posted fields: a ``QueryDict``, or the members of a JSON object.

    Its ``repr`` shows no fields, and its pickle is empty. A copy is the same object, so
    that the fields of a copied request can be taken only once, too.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Any = None) -> None:
        self._fields = fields

    def take(self) -> Any:
        """The fields, once; ``None`` afterwards, and if nothing was posted."""
        fields, self._fields = self._fields, None
        return fields

    def __repr__(self) -> str:
        return "<Submission: hidden>"

    def __copy__(self) -> Submission:
        return self

    def __deepcopy__(self, memo: object) -> Submission:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[type[Submission], tuple[()]]:
        return Submission, ()


class RawBody:
    """The bytes of a body. Its ``repr`` shows only their number, because error reports
    print local variables."""

    __slots__ = ("content",)

    def __init__(self, content: bytes = b"") -> None:
        self.content = content

    def __repr__(self) -> str:
        return f"<RawBody: {len(self.content)} bytes>"


class CardNotRead(Exception):
    """An unexpected exception while a card was read, sealed or opened.

    Its only argument is the name of the exception's class.
    """


def call_without_frames(function: Callable[[], Result]) -> Result:
    """Call ``function``; its exceptions are raised again without their frames.

    Error trackers send the local variables of each frame. While a card is read, sealed
    or opened, some of them hold card data. Raises ``CardNotRead`` for an ``Exception``.
    An exception that ends the process keeps its class (a server's time limit raises
    ``SystemExit``).
    """
    kind: type[BaseException]
    about: Any
    try:
        return function()
    except Exception as error:
        kind, about = CardNotRead, type(error).__name__
    except BaseException as error:
        kind, about = type(error), getattr(error, "code", None)
    # only an integer exit code is kept: a string could contain card data
    raise kind(about if kind is CardNotRead or isinstance(about, int) else None)
