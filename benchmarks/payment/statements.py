"""What ``raw_sql`` saves beside querysets: by call, and in a whole payment.

    python -m benchmarks.payment.statements [--rounds 40] [--payments 5] [--keep]

DATABASE_URL names the database. Both ways alternate in short batches; figures are the
CPU time of this process, and ratios are of neighbouring batches. The querysets are
those that the tests compare with (``tests/support/as_querysets.py``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any
from unittest.mock import patch

from benchmarks.payment import report
from benchmarks.payment.__main__ import running_gateway
from benchmarks.payment.growth import setup_django
from benchmarks.payment.report import quartiles

FUNCTIONS = ("insert", "update", "get", "exist")
#: what runs as querysets → its functions
VARIANTS: dict[str, tuple[str, ...]] = {
    "all by hand": (),
    **{f"`{name}`": (name,) for name in FUNCTIONS},
    "all as querysets": FUNCTIONS,
}


def as_querysets(names: tuple[str, ...]) -> ExitStack:
    """Runs these functions of ``raw_sql`` as querysets inside the block."""
    from nexi_payments.models import raw_sql
    from tests.support import as_querysets

    stack = ExitStack()
    for name in names:
        stack.enter_context(patch.object(raw_sql, name, getattr(as_querysets, name)))
    return stack


def alternate(
    work: Callable[[], object], sides: Mapping[str, tuple[str, ...]], rounds: int
) -> dict[str, list[float]]:
    """CPU seconds of each side, by round."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            with as_querysets(sides[name]):
                before = time.process_time()
                work()
                found[name].append(time.process_time() - before)
    return found


def repeated(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()


def calls_to_measure() -> dict[str, tuple[str, Callable[[], object]]]:
    """Name → function of ``raw_sql``, and a call of it as payments make it."""
    import itertools
    from decimal import Decimal

    from django.utils import timezone

    from nexi_payments import flows
    from nexi_payments.card import Card
    from nexi_payments.flows.orders import velocity
    from nexi_payments.models import Event, PaymentOrder, raw_sql

    now, numbers = timezone.now(), itertools.count()
    order = flows.create_order(amount=Decimal("12.50"), currency="EUR", reference="R")
    columns = {
        field.attname: getattr(order, field.attname)
        for field in PaymentOrder._meta.concrete_fields
        if field.attname != "id"
    }
    event = {"order": order, "kind": "paid", "from_state": "paying", "created_at": now}
    older = {"order": order.pk, "deliver_at__isnull": False, "pk__lt": 7}
    claim = {"pk": order.pk, "state": "init", "claimed_at": None}
    changes = {"state": "init", "reason": "", "claimed_at": None, "next_poll_at": now}
    card = Card("4242424242424242", "1230", "123")
    actor = flows.Actor(address="192.0.2.7")

    def insert_order() -> None:
        number = f"N{next(numbers)}"
        names = ("order_id", "public_id", "live_reference", "reference")
        raw_sql.insert(PaymentOrder(**columns | dict.fromkeys(names, number)))

    return {
        "`insert`, an order": ("insert", insert_order),
        "`insert`, an event": ("insert", lambda: raw_sql.insert(Event(**event))),
        "`update`, a claim": (
            "update",
            lambda: raw_sql.update(PaymentOrder, claim, changes),
        ),
        "`get`, order and older event": (
            "get",
            lambda: raw_sql.get(PaymentOrder, order.pk, raw_sql.Rows(Event, [older])),
        ),
        "`exist`, by telephone": (
            "exist",
            lambda: velocity.limit_clerk(order, card, actor).explain(),
        ),
        "`exist`, with all limits": (
            "exist",
            lambda: velocity.limit_shopper(order, card, actor).explain(),
        ),
    }


def measure_calls(rounds: int) -> dict[str, Any]:
    """µs of each call, by hand and as a queryset."""
    from django.db import transaction

    from benchmarks.payment import counting

    found = {}
    with transaction.atomic():
        for name, (function, call) in calls_to_measure().items():
            sides: dict[str, tuple[str, ...]] = {"hand": (), "queryset": (function,)}
            batch = partial(repeated, call, 20)
            alternate(batch, sides, 2)
            spent = alternate(batch, sides, rounds)
            one: dict[str, Any] = {
                side: quartiles([cpu / 20 * 1e6 for cpu in spent[side]])
                for side in sides
            }
            for side, names in sides.items():
                with as_querysets(names), counting.count_queries() as asked:
                    call()
                one[f"{side}_statements"] = len(asked.statements)
            found[name] = one
        transaction.set_rollback(True)
    return found


def measure_payments(rounds: int, payments: int) -> dict[str, Any]:
    """Of each variant: CPU ms, its ratio to all by hand, statements, function calls."""
    from benchmarks.payment import counting
    from benchmarks.payment.measured_flows import WsgiClient, flows_to_measure

    browser = WsgiClient()
    flows = {flow.name: flow for flow in flows_to_measure()}
    found: dict[str, Any] = {}
    for kind in ("MOTO", "3 steps"):
        pay = partial(flows[f"ours, {kind}"].pay, browser)
        alternate(partial(repeated, pay, 2), VARIANTS, 2)
        spent = alternate(partial(repeated, pay, payments), VARIANTS, rounds)
        floor = spent["all by hand"]
        found[kind] = {}
        for name, functions in VARIANTS.items():
            with as_querysets(functions):
                with counting.count_queries() as asked:
                    pay()
                calls = min(counting.count_function_calls(pay) for _ in range(3))
            found[kind][name] = {
                "cpu_ms": quartiles([cpu / payments * 1000 for cpu in spent[name]]),
                "ratio": quartiles(
                    [a / b for a, b in zip(spent[name], floor, strict=True)]
                ),
                "statements": len(asked.statements),
                "calls": calls,
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--payments", type=int, default=5, help="in a batch")
    parser.add_argument("--keep", action="store_true", help="write results.json")
    options = parser.parse_args()
    with running_gateway(0, None) as address:
        setup_django(address)
        from django.db import connection
        from django.test.utils import setup_test_environment

        setup_test_environment()
        creation: Any = connection.creation
        creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            found = {
                "calls": measure_calls(options.rounds),
                "payments": measure_payments(options.rounds, options.payments),
            }
        finally:
            creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
    results = {f"statements-{connection.vendor}": found}
    print(report.statement_calls_table(results))
    print(report.statement_payments_table(results))
    if options.keep:
        report.save(f"statements-{connection.vendor}", found)


if __name__ == "__main__":
    main()
