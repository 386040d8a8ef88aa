"""A day's totals: sums here and at Nexi of each kind of movement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from nexi_payments.enums import Movement
from nexi_payments.flows.inquiry.reading.vocabulary import Role, role_of
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.payment_methods import APM
from nexi_payments.gateway.responses import OperationResult

_MOVEMENTS: Final = {
    Role.CAPTURE: Movement.CAPTURE,
    Role.ROLLBACK: Movement.CANCEL,
}


class Group(NamedTuple):
    """What a line of the totals is about. ``clerk`` is a user's key, ``method`` and
    ``circuit`` are codes; each is empty where it is not known.
    """

    terminal: str
    channel: str
    method: str
    circuit: str
    currency: str
    clerk: Any
    movement: str


@dataclass
class Sums:
    """Counts, and amounts in minor units."""

    count: int = 0
    amount: int = 0
    count_at_nexi: int = 0
    amount_at_nexi: int = 0


@dataclass
class Figures:
    """Sums of each group. There are as many as combinations, not as operations."""

    groups: dict[Group, Sums] = field(default_factory=dict)

    def add_ours(self, group: Group, amount: int | None) -> None:
        sums = self.groups.setdefault(group, Sums())
        sums.count += 1
        sums.amount += amount or 0

    def add_theirs(self, group: Group, amount: int | None) -> None:
        sums = self.groups.setdefault(group, Sums())
        sums.count_at_nexi += 1
        sums.amount_at_nexi += amount or 0

    def lines(self, clerks: dict[Any, str]) -> list[dict[str, Any]]:
        """The lines of ``DayClosing.totals``, sorted. ``clerks``: names by key."""
        found = [
            {
                **group._asdict(),
                "clerk": clerks.get(group.clerk, ""),
                **vars(sums),
            }
            for group, sums in self.groups.items()
        ]
        return sorted(found, key=lambda line: [str(line[name]) for name in _SORT])


_SORT: Final = (
    *("currency", "movement", "terminal", "channel"),
    *("method", "circuit", "clerk"),
)


def movement_of(entry: OperationResult) -> str:
    """What an operation is that only Nexi has; "" for a type that we do not know."""
    role = role_of(entry)
    if role is Role.CHARGE:
        held = entry.result in (result_codes.AUTHORIZED, result_codes.VOIDED)
        return Movement.AUTHORIZATION if held else Movement.CHARGE
    if role is Role.RETURN:
        released = entry.type == "VOID" or entry.result == result_codes.VOIDED
        return Movement.VOID if released else Movement.REFUND
    return "" if role is None else _MOVEMENTS[role]


def method_of(entry: OperationResult) -> str:
    """The code of another method than cards, as ``PaymentOrder.method``."""
    return entry.brand[:32] if entry.payment_method == APM else ""
