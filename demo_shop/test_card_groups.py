"""Test cards of the simulator, grouped by outcome."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments.simulator import TEST_CARDS
from nexi_payments.simulator.test_cards import TestCard

_MIT: Final = "mit_"
_GROUPS: Final[tuple[tuple[str | Promise, tuple[str, ...]], ...]] = (
    (_("It is paid"), ("challenge", "frictionless", "refund_pending")),
    (
        _("It is refused"),
        (
            "declined",
            "lost_card",
            "excess_reattempts",
            "validation_failed",
            "not_enrolled",
            "risk",
        ),
    ),
    (
        _("Something goes wrong on the way"),
        ("answer_lost", "pending_then_paid", "gateway_down", "garbage"),
    ),
)


def groups() -> list[tuple[str | Promise, list[TestCard]]]:
    """Pairs of title and cards. Cards without a group come last."""
    named = {ending for _title, endings in _GROUPS for ending in endings}
    found: list[tuple[str | Promise, list[TestCard]]] = [
        (title, [card for card in TEST_CARDS if card.ending in endings])
        for title, endings in _GROUPS
    ]
    rest = [card for card in TEST_CARDS if card.ending not in named]
    later = [card for card in rest if card.ending.startswith(_MIT)]
    others = [card for card in rest if card not in later]
    found += [(_("Paid now, with another outcome when it is charged again"), later)]
    found += [(_("Other outcomes"), others)]
    return [(title, cards) for title, cards in found if cards]
