"""A day of a shop, written at once into our tables and the simulator's: phone payments,
every fifth of them refunded in part. And differences between both, planted by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import time_machine

from nexi_payments import conf
from nexi_payments.enums import CaptureMode, Channel, OperationKind, OrderState
from nexi_payments.flows.closing.days import ShopDay
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Simulator, local_time
from nexi_payments.simulator.store import Store

ROME: Final = ZoneInfo("Europe/Rome")
DAY: Final = date(2026, 1, 15)
NOON: Final = datetime(2026, 1, 15, 12, tzinfo=ROME)


class DayClock:
    """Our clock and the gateway's, which begin at noon of ``DAY``."""

    def __init__(self, gateway: Simulator) -> None:
        self.gateway = gateway
        self.traveller = time_machine.travel(NOON, tick=True)
        self.time = self.traveller.start()

    def move_to(self, moment: datetime) -> None:
        self.time.move_to(moment)
        self.gateway.advance(0)

    def after_the_day(self) -> None:
        """The day can be closed then."""
        self.move_to(NOON + timedelta(days=1))


#: Of six operations one is a refund.
PAYMENTS: Final = 5
AMOUNT: Final = 1250
REFUND: Final = 100
_BATCH: Final = 5000


def fill(store: Store, day: ShopDay, operations: int) -> None:
    """Writes ``operations`` of them, spread over the day."""
    payments = operations * PAYMENTS // (PAYMENTS + 1)
    step = (day.end - day.start) / (payments + 1)
    for first in range(0, payments, _BATCH):
        numbers = range(first, min(first + _BATCH, payments))
        lives = [_Life(number, day.start + (number + 1) * step) for number in numbers]
        _write_ours([one.order for one in lives], lives)
        with store.transaction():
            for one in lives:
                store.insert(one.record)


class _Life:
    """One payment, and its refund if it has one, on both sides."""

    def __init__(self, number: int, moment: datetime) -> None:
        self.moment = moment
        self.order_id = f"{conf.current().order_prefix}{number:015}"
        self.operation_id = f"{10**17 + number}"
        self.refund_id = "" if number % PAYMENTS else f"refund-{number:09}"
        self.order = PaymentOrder(
            order_id=self.order_id,
            public_id=f"{number:032}",
            terminal="moto",
            channel=Channel.MOTO,
            flow="3steps",
            capture=CaptureMode.AUTOMATIC,
            state=OrderState.PAID,
            reference=f"R{number}",
            live_reference=f"R{number}",
            amount=AMOUNT,
            currency="EUR",
            authorized_amount=AMOUNT,
            captured_amount=AMOUNT,
            refunded_amount=REFUND if self.refund_id else 0,
            card_brand="VISA",
            gateway_operation_id=self.operation_id,
            created_at=moment,
            expires_at=moment + timedelta(hours=1),
        )

    def operations(self) -> Iterator[Operation]:
        known = {"order": self.order, "outcome": "done", "correlation_id": ""}
        times = dict.fromkeys(("created_at", "sent_at", "settled_at"), self.moment)
        yield Operation(
            kind=OperationKind.MOTO,
            result="EXECUTED",
            amount=AMOUNT,
            gateway_operation_id=self.operation_id,
            ledger_id=self.operation_id,
            **known,
            **times,
        )
        if self.refund_id:
            yield Operation(
                kind=OperationKind.REFUND,
                result="REFUNDED",
                amount=REFUND,
                gateway_operation_id=self.refund_id,
                ledger_id=self.refund_id,
                **known,
                **times,
            )

    @property
    def record(self) -> dict[str, Any]:
        """As the simulator keeps it."""
        made, shown = self.moment.isoformat(), local_time.format_time(self.moment)
        refund = {
            "id": self.refund_id,
            "type": "REFUND",
            "target": self.operation_id,
            "amount": str(REFUND),
            "outcome": "EXECUTED",
            "settles_at": made,
            "made_at": made,
            "lag": 0,
            "key": "",
            "day": shown[:10],
            "time": shown,
        }
        return {
            "order_id": self.order_id,
            "operation_id": self.operation_id,
            "flow": "moto",
            "amount": str(AMOUNT),
            "currency": "EUR",
            "masked": "400000XXXXXX0002",
            "expiry": "1230",
            "brand": "VISA",
            "ending": "challenge",
            "result": "EXECUTED",
            "code": "000",
            "capture": "IMPLICIT",
            "charged_at": made,
            "settles_at": None,
            "created": made,
            "time": shown,
            "post_charge": [refund] if self.refund_id else [],
        }


def _write_ours(orders: list[PaymentOrder], lives: list[_Life]) -> None:
    PaymentOrder.objects.bulk_create(orders, batch_size=200)
    keys = dict(
        PaymentOrder.objects.filter(
            order_id__gte=orders[0].order_id, order_id__lte=orders[-1].order_id
        ).values_list("order_id", "pk")
    )
    for order in orders:  # not every database returns them
        order.pk = keys[order.order_id]
    rows = [row for life in lives for row in life.operations()]
    Operation.objects.bulk_create(rows, batch_size=200)


# -- differences -----------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """What a closing must say of one order."""

    kind: str
    aspects: str
    order_id: str


def plant(store: Store) -> list[Planted]:
    """Plants ten differences in a day that ``fill`` wrote. Each has a payment of its
    own, with a refund.
    """
    refunds = Operation.objects.filter(kind="refund").order_by("pk")
    count = refunds.count()
    places = [count * place // 10 for place in range(10)]
    chosen = [refunds[place].order for place in places]
    found = []
    for order, change in zip(chosen, _CHANGES, strict=True):
        kind, aspects = change(store, order)
        found.append(Planted(kind, aspects, order.order_id))
    return found


def _payment(order: PaymentOrder) -> Any:
    return Operation.objects.filter(order=order, kind="moto")


def _refund(order: PaymentOrder) -> Any:
    return Operation.objects.filter(order=order, kind="refund")


def _edit(store: Store, order: PaymentOrder, **values: Any) -> None:
    with store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record.update(values)


def _edit_refund(store: Store, order: PaymentOrder, **values: Any) -> None:
    with store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record["post_charge"][0].update(values)


def _refund_unknown_here(store: Store, order: PaymentOrder) -> tuple[str, str]:
    _refund(order).delete()
    return "missing_here", ""


def _payment_unknown_here(store: Store, order: PaymentOrder) -> tuple[str, str]:
    _edit(store, order, post_charge=[])
    _refund(order).delete()
    _payment(order).delete()
    order.delete()
    return "missing_here", ""


def _payment_unknown_there(store: Store, order: PaymentOrder) -> tuple[str, str]:
    _refund(order).delete()
    with store.transaction() as db:
        for table in ("payments", "operations"):
            where = "operation_id = ?"
            db.execute(
                f"DELETE FROM {table} WHERE {where}", (order.gateway_operation_id,)
            )
    return "missing_there", ""


def _refund_unknown_there(store: Store, order: PaymentOrder) -> tuple[str, str]:
    _edit(store, order, post_charge=[])
    return "missing_there", ""


def _other_amount(store: Store, order: PaymentOrder) -> tuple[str, str]:
    _edit_refund(store, order, amount=str(REFUND + 1))
    return "different", "amount"


def _other_amount_here(store: Store, order: PaymentOrder) -> tuple[str, str]:
    _refund(order).update(amount=REFUND - 1)
    return "different", "amount"


def _other_currency(store: Store, order: PaymentOrder) -> tuple[str, str]:
    _edit(store, order, currency="CHF", post_charge=[])
    _refund(order).delete()
    return "different", "currency"


def _failed_there(store: Store, order: PaymentOrder) -> tuple[str, str]:
    _edit_refund(store, order, outcome="FAILED")
    return "different", "outcome"


def _declined_here(store: Store, order: PaymentOrder) -> tuple[str, str]:
    _refund(order).update(outcome="declined", ledger_id=None)
    return "different", "outcome"


def _another_kind(store: Store, order: PaymentOrder) -> tuple[str, str]:
    _edit_refund(store, order, type="CAPTURE")
    return "different", "kind"


_CHANGES: Final[tuple[Callable[[Store, PaymentOrder], tuple[str, str]], ...]] = (
    _refund_unknown_here,
    _payment_unknown_here,
    _payment_unknown_there,
    _refund_unknown_there,
    _other_amount,
    _other_amount_here,
    _other_currency,
    _failed_there,
    _declined_here,
    _another_kind,
)
