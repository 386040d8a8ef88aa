"""Exceptions of invalid values, and the base class of all.

They are below the models, as ``money`` raises them; ``exceptions`` is above and names
models. Hosts import them from ``nexi_payments.exceptions``.
"""


class NexiPaymentsError(Exception):
    """The base class, for ``except`` in host code."""


class InvalidAmount(NexiPaymentsError, ValueError):
    """A float, a negative amount, too many decimals, or an unknown currency."""


class InvalidReference(NexiPaymentsError, ValueError):
    """A reference of more than 100 characters, one with a control character or a line
    break, or one that is needed and empty."""


class InvalidCustomer(NexiPaymentsError, ValueError):
    """Unknown members in ``customer``, over-long values, control characters."""


class UnstorableText(NexiPaymentsError, ValueError):
    """A text has a character that the database cannot store; ``character`` is it.
    Nothing was stored or sent."""

    def __init__(self, name: str, character: str) -> None:
        self.character = character
        super().__init__(
            f"{name} has a character that the database cannot store:"
            f" U+{ord(character):04X}"
        )


class CardDataNotAllowed(NexiPaymentsError, ValueError):
    """A text seems to contain a card number. Nothing was stored or sent."""
