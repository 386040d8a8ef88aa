"""What may be sent from the desk: a card with a phone order, or with nothing else."""

from __future__ import annotations

from nexi_payments.api.bodies import CardIn, Flag, OnTerminal, Purchase, Text


class CallIn(Purchase):
    """A phone order, without its card."""

    reference = Text(max_length=100, help_text="Required at the desk.")
    terminal = Text(
        max_length=64, required=False, help_text="The first with MOTO if absent"
    )
    knowingly = Flag(
        required=False,
        default=False,
        help_text="Charge the same card and amount once more within ten minutes.",
    )


class MotoIn(CallIn, CardIn):
    """A phone order and its card."""


class CheckIn(OnTerminal):
    """What is left of ``VerifyIn`` when the card was taken out."""

    currency = Text(
        max_length=3, min_length=3, required=False, default="EUR", help_text="ISO 4217"
    )
    terminal = Text(
        max_length=64, required=False, help_text="The first with MOTO if absent"
    )


class VerifyIn(CheckIn, CardIn):
    """A card to be verified for nothing."""
