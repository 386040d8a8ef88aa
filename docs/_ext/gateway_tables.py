"""Tables about the gateway: results, response codes, currencies."""

from __future__ import annotations

from typing import Final

from markdown_tables import code, table

from nexi_payments import money
from nexi_payments.admin.response_code_texts import response_code_text
from nexi_payments.flows.inquiry.reading import vocabulary
from nexi_payments.flows.inquiry.reading.vocabulary import Role, Status
from nexi_payments.flows.ledger import outcomes
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import PaymentOrder

#: In the order of the table.
_GROUPS: Final = (
    result_codes.IN_PROGRESS,
    result_codes.CHARGED,
    result_codes.UNSUCCESSFUL,
    result_codes.REVERSED,
)
#: All codes that begin with 2, but "200", get the same advice.
_FRAUD: Final = "201"


#: What a status means on an entry of a role, where it differs from the words below.
_OF_ROLE: Final = {
    (Role.CHARGE, Status.DONE): "captured",
    (Role.CHARGE, Status.HELD): "authorized",
    (Role.CHARGE, Status.REVERSED): "authorized, and released since",
}
_STATUSES: Final = {
    Status.OPEN: "on its way",
    Status.DONE: "done",
    Status.REVERSED: "done, and taken back since",
    Status.NEGATIVE: "not done",
    Status.UNKNOWN: "in doubt",
}
#: Types with their roles: the columns.
_COLUMNS: Final = {
    "`AUTHORIZATION`": Role.CHARGE,
    "`CAPTURE`": Role.CAPTURE,
    "`REFUND`, `VOID`": Role.RETURN,
    "`CANCEL`": Role.ROLLBACK,
}


def operation_results() -> str:
    """What the code makes of each ``operationResult`` of a response to a charge."""
    return table(
        ("`operationResult`", "listed by Nexi", "of a charge"),
        ((code(one), _is_listed(one), _of_charge(one)) for one in _results()),
    )


def operation_words() -> str:
    """What a listed operation means: type × result."""
    roles = _COLUMNS.values()
    return table(
        ("result", *_COLUMNS),
        (
            (code(one) or "any other", *(_of_entry(one, role) for role in roles))
            for one in (*_results(), "")
        ),
    )


def _results() -> list[str]:
    return [one for group in _GROUPS for one in sorted(group)]


def _is_listed(result: str) -> str:
    listed = {value for name, value in vars(result_codes).items() if name == value}
    return "yes" if result in listed - {result_codes.EXPIRED} else "no, observed"


def _of_entry(result: str, role: Role) -> str:
    status = vocabulary.status_of(OperationResult(result=result), role)
    return _OF_ROLE.get((role, status)) or _STATUSES[status]


def _of_charge(result: str) -> str:
    order = PaymentOrder(amount=1, currency="EUR")
    update = outcomes.of_charge(order, OperationResult(result=result))
    if update.state is None:
        return "in doubt" + (", a discrepancy" if update.discrepancy else "")
    return code(update.state) + (f", {code(update.reason)}" if update.reason else "")


def response_codes() -> str:
    """Each code with a meaning or an advice of its own."""
    unknown = response_code_text("unknown"), result_codes.decline_advice("unknown")
    numbers = (f"{number:03}" for number in range(1000))
    known = [
        one
        for one in numbers
        if (response_code_text(one), result_codes.decline_advice(one)) != unknown
        and (not one.startswith("2") or one == _FRAUD)
    ]
    rows = [_response_code(one) for one in known]
    rows.append(("any other", *_response_code("unknown")[1:]))
    return table(("code", "meaning", "advice", "a saved card is retried"), rows)


def _response_code(one: str) -> tuple[str, str, str, str]:
    approved = one == "000"
    return (
        "`2..`, except `200`" if one == _FRAUD else code(one),
        str(response_code_text(one)),
        "" if approved else result_codes.decline_advice(one).replace("_", " "),
        "yes" if result_codes.is_soft_decline(one) else "",
    )


def currencies() -> str:
    def codes(digits: int) -> str:
        found = (name for name, (_, own) in money.CURRENCIES.items() if own == digits)
        return " ".join(found)

    digits = sorted({own for _, own in money.CURRENCIES.values()})
    return table(
        ("digits after the point", "currencies"),
        ((str(count), codes(count)) for count in digits),
    )
