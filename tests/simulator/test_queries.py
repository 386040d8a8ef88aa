"""The calls that only look."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from nexi_payments.simulator import Simulator, store
from tests.simulator.merchant_client import MerchantClient, purchase


def listed(terminal: MerchantClient, query: str = "") -> list[str]:
    orders = terminal.get("/orders" + query)["orders"]
    return [status["order"]["orderId"] for status in orders]


def test_an_order_with_its_totals(terminal: MerchantClient) -> None:
    terminal.init(purchase())
    found = terminal.get("/orders/ORDER1")
    assert found["paymentLinks"] == []
    assert found["orderStatus"]["order"] == {
        "orderId": "ORDER1",
        "amount": "1250",
        "currency": "EUR",
        "transactionSummary": [],
        "termsAndConditionsIds": [],
    }
    assert found["orderStatus"]["lastOperationType"] == "AUTHORIZATION"
    assert terminal.get("/orders/ORDER1/") == found


def test_an_odd_order_id_is_percent_encoded(terminal: MerchantClient) -> None:
    name = "A#*+-.:;=?[]_{|}"
    terminal.init(purchase(order_id=name))
    answer = terminal.get("/orders/" + quote(name, safe=""))
    assert answer["orderStatus"]["order"]["orderId"] == name


@pytest.mark.parametrize("path", ["/orders/NONE", "/operations/1", "/orders/A%2FB"])
def test_what_is_unknown(terminal: MerchantClient, path: str) -> None:
    reply = terminal.call("GET", path)
    assert (reply.status, reply.body) == (404, b"")


def test_an_operation_comes_without_a_wrapper(terminal: MerchantClient) -> None:
    operation_id = terminal.init(purchase())
    found = terminal.get(f"/operations/{operation_id}")
    assert (found["operationId"], found["orderId"]) == (operation_id, "ORDER1")


def test_orders_newest_first(terminal: MerchantClient, simulator: Simulator) -> None:
    for name in ("O1", "O2", "O3"):
        terminal.init(purchase(order_id=name))
        simulator.advance(60)
    assert listed(terminal) == ["O3", "O2", "O1"]
    assert listed(terminal, "?maxRecords=2") == ["O3", "O2"]
    assert listed(terminal, "?orderId=O2") == ["O2"]
    assert listed(terminal, "?orderId=O9") == []
    assert listed(terminal, "?fromTime=2027-01-15T11:00:30Z") == ["O3", "O2"]
    assert listed(terminal, "?toTime=2027-01-15T12:00:30%2B01:00") == ["O1"]
    assert listed(terminal, "?toTime=2027-01-15T11:00:30") == ["O1"]


def test_an_old_order_is_not_listed_unless_asked(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    terminal.init(purchase())
    simulator.advance(31 * 24 * 3600)
    assert listed(terminal) == []
    assert listed(terminal, "?fromTime=2027-01-01T00:00:00Z") == ["ORDER1"]


@pytest.mark.parametrize(
    "query",
    [
        "fromTime=yesterday",
        "toTime=0001-01-01T00:00:00%2B23:59",
        "maxRecords=0",
        "maxRecords=501",
        "maxRecords=many",
        "maxRecords=²",
    ],
)
def test_a_query_that_makes_no_sense(terminal: MerchantClient, query: str) -> None:
    reply = terminal.call("GET", f"/orders?{query}", documented=False)
    assert reply.status == 400


def operations(terminal: MerchantClient, query: str = "") -> list[tuple[str, str]]:
    found = terminal.get("/operations" + query)["operations"]
    return [(one["orderId"], one["operationType"]) for one in found]


def test_operations_of_all_orders_newest_first(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    """Each at its own time: a refund is not listed with its payment."""
    payment = terminal.pay(purchase(order_id="O1"))
    simulator.advance(60)
    terminal.init(purchase(order_id="O2"))
    simulator.advance(60)
    terminal.post_charge(payment, "refunds", "100")
    auth, refund = "AUTHORIZATION", "REFUND"
    assert operations(terminal) == [("O1", refund), ("O2", auth), ("O1", auth)]
    assert operations(terminal, "?maxRecords=1") == [("O1", refund)]
    assert operations(terminal, "?operationType=AUTHORIZATION&maxRecords=1") == [
        ("O2", auth)
    ]
    assert operations(terminal, "?channel=BACKOFFICE") == [("O1", refund)]
    first = "fromTime=2027-01-15T11:00:00Z&toTime=2027-01-15T11:00:30Z"
    assert operations(terminal, f"?{first}") == [("O1", auth)]
    assert operations(terminal, "?fromTime=2027-01-15T11:01:30Z") == [("O1", refund)]
    simulator.advance(31 * 24 * 3600)
    assert operations(terminal) == []


def test_a_list_of_operations_reads_the_store_in_parts(
    terminal: MerchantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_PART", 2)
    for number in range(5):
        terminal.init(purchase(order_id=f"O{number}"))
    assert sorted(operations(terminal)) == [
        (f"O{number}", "AUTHORIZATION") for number in range(5)
    ]


@pytest.mark.parametrize("query", ["fromTime=yesterday", "maxRecords=501"])
def test_a_query_for_operations_that_makes_no_sense(
    terminal: MerchantClient, query: str
) -> None:
    reply = terminal.call("GET", f"/operations?{query}", documented=False)
    assert reply.status == 400


def test_the_methods_of_the_terminal(terminal: MerchantClient) -> None:
    methods = terminal.get("/payment_methods")["paymentMethods"]
    listed = [(one["paymentMethodType"], one["circuit"]) for one in methods]
    assert listed == [
        *(("CARDS", brand) for brand in ("VISA", "MC", "MAESTRO", "AMEX")),
        *(("APM", code) for code in ("PAYPAL", "PAYPAL_BNPL", "GOOGLEPAY")),
        *(("APM", code) for code in ("APPLEPAY", "BANCOMATPAY", "MYBANK")),
    ]
    terminal.simulator.payment_methods = ["PAGOINCONTO"]
    last = terminal.get("/payment_methods")["paymentMethods"][-1]
    assert (last["circuit"], last["recurringSupported"]) == ("PAGOINCONTO", False)
    assert len(terminal.get("/payment_methods")["paymentMethods"]) == 5
