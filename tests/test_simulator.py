"""The gateway on this machine: strict about requests, true to its habits."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests

from nexi_payments.simulator import TEST_CARDS, Reply, Simulator, SimulatorAdapter
from nexi_payments.simulator.cards import brand_of, ending_of, luhn_valid
from nexi_payments.simulator.server import BASE_PATH, running
from tests.gateway.test_bodies import schema

SITE = "http://localhost:8000/payments/simulator"
API = SITE + BASE_PATH
HEADERS = {"X-Api-Key": "k", "Correlation-Id": str(uuid.uuid4())}
CARD = {"pan": "4349940199004549", "expiryDate": "1230", "cvv": "396"}
ORDER = {"orderId": "ORDER0000000000001", "amount": "1250", "currency": "EUR"}


def post(gateway: Simulator, path: str, body: Any, **headers: str) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return gateway.handle("POST", API + path, {**HEADERS, **headers}, data)


def get(gateway: Simulator, path: str) -> Reply:
    return gateway.handle("GET", API + path, HEADERS, b"")


def read(reply: Reply) -> Any:
    assert reply.status == 200, reply
    return json.loads(reply.body)


def init(gateway: Simulator, flow: str = "3steps", pan: str = CARD["pan"]) -> str:
    body = {"order": ORDER, "card": {**CARD, "pan": pan}}
    answer = read(post(gateway, f"/orders/{flow}/init", body))
    schema("InitResponse").validate(answer)
    operation_id: str = answer["operation"]["operationId"]
    assert len(operation_id) == 18
    return operation_id


def payment(operation_id: str, **proof: str) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "order": ORDER,
        "card": CARD,
        "captureType": "IMPLICIT",
        "threeDSAuthData": proof,
    }


@pytest.fixture
def gateway() -> Any:
    made = Simulator()
    yield made
    made.reset()


def test_three_steps(gateway: Simulator) -> None:
    operation_id = init(gateway)
    pares = gateway.challenge(operation_id, "approve")["PaRes"]
    body = {"operationId": operation_id, "threeDSAuthResponse": pares}
    validated = read(post(gateway, "/orders/3steps/validation", body))
    schema("ValidationResponse").validate(validated)
    assert validated["operation"]["operationResult"] == "THREEDS_VALIDATED"
    assert validated["operation"]["operationCurrency"] == "978"
    value = validated["threeDSAuthResult"]["authenticationValue"]
    paid = read(
        post(
            gateway,
            "/orders/3steps/payment",
            payment(operation_id, authenticationValue=value),
        )
    )
    schema("OperationEnvelope").validate(paid)
    assert paid["operation"]["operationResult"] == "EXECUTED"
    details = read(get(gateway, "/orders/ORDER0000000000001"))
    schema("OrderDetails").validate(details)
    assert details["orderStatus"]["capturedAmount"] == "1250"
    assert gateway.charges("ORDER0000000000001") == 1
    single = read(get(gateway, f"/operations/{operation_id}"))
    schema("Operation").validate(single)
    again = post(
        gateway,
        "/orders/3steps/payment",
        payment(operation_id, authenticationValue=value),
    )
    assert again.status == 400  # charged once


def test_two_steps_and_explicit_capture(gateway: Simulator) -> None:
    operation_id = init(gateway, "2steps")
    pares = gateway.challenge(operation_id, "approve")["PaRes"]
    body = payment(operation_id, threeDSAuthResponse=pares)
    body["captureType"] = "EXPLICIT"
    answer = read(post(gateway, "/orders/2steps/payment", body))
    assert answer["operation"]["operationResult"] == "AUTHORIZED"
    status = read(get(gateway, "/orders/ORDER0000000000001"))["orderStatus"]
    assert (status["authorizedAmount"], status["capturedAmount"]) == ("1250", "0")


def refused(reply: Reply) -> str:
    assert reply.status == 400, reply
    body = json.loads(reply.body)
    schema("Errors").validate(body)
    assert CARD["pan"] not in reply.body.decode()
    code: str = body["errors"][0]["code"]
    return code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"order": {**ORDER, "amount": 1250}}, "PS0036"),
        ({"order": {**ORDER, "amount": "12.50"}}, "PS0036"),
        ({"order": {**ORDER, "currency": "eur"}}, "PS0009"),
        ({"order": {**ORDER, "orderId": "x" * 28}}, "PS0026"),
        ({"order": {"orderId": "A", "amount": "1"}}, "PS0026"),
        ({"order": {**ORDER, "surprise": 1}}, "PS0026"),
        ({"card": {**CARD, "pan": "4349940199004548"}}, "PS0026"),
        ({"card": {**CARD, "expiryDate": "12/30"}}, "PS0026"),
        ({"card": {**CARD, "cvv": "12"}}, "PS0026"),
        ({"card": {**CARD, "holder": "x"}}, "PS0026"),
        ({"card": "x"}, "PS0035"),
        ({"exemptions": "NONE"}, "PS0026"),
        ({"surprise": {}}, "PS0026"),
    ],
)
def test_a_request_that_does_not_fit(
    gateway: Simulator, change: dict[str, Any], code: str
) -> None:
    body = {"order": ORDER, "card": CARD, **change}
    assert refused(post(gateway, "/orders/3steps/init", body)) == code
    assert gateway.record("ORDER0000000000001") is None


@pytest.mark.parametrize("body", [b"x", b"[" * 100_000, b"[]", b"null"])
def test_a_body_that_is_no_object(gateway: Simulator, body: bytes) -> None:
    assert refused(post(gateway, "/orders/3steps/init", body)) == "PS0035"


def test_keys_and_headers() -> None:
    gateway = Simulator(api_keys={"right"})
    assert get(gateway, "/payment_methods").status == 401
    for key in ("", "wrong"):
        reply = post(gateway, "/orders/3steps/init", {}, **{"X-Api-Key": key})
        assert (reply.status, reply.body) == (401, b"")
    right = {"X-Api-Key": "right", "Correlation-Id": "no uuid"}
    assert gateway.handle("GET", API + "/orders", right, b"").status == 400
    gateway.reset()


def test_unknown_places(gateway: Simulator) -> None:
    for path in ("/orders/NONE", "/operations/7", "/x"):
        assert get(gateway, path).status == 404
    assert post(gateway, "/orders/3steps/x", {}).status == 404
    assert gateway.handle("PUT", API + "/orders", HEADERS, b"").status == 405
    assert gateway.handle("GET", SITE + "/else", HEADERS, b"").status == 404
    headers = {"Accept-Language": "en"}
    url = SITE + "/monetaweb/phoenixstos/other"
    assert gateway.handle("POST", url, headers, b"").status == 400


def test_an_order_id_is_used_once(gateway: Simulator) -> None:
    init(gateway)
    body = {"order": ORDER, "card": CARD}
    assert refused(post(gateway, "/orders/3steps/init", body)) == "PS0026"


def test_steps_out_of_order(gateway: Simulator) -> None:
    operation_id = init(gateway)
    forged = payment(operation_id, authenticationValue="forged")
    assert refused(post(gateway, "/orders/3steps/payment", forged)) == "GW0001"
    other = payment(operation_id, threeDSAuthResponse="x")
    assert refused(post(gateway, "/orders/2steps/payment", other)) == "GW0001"
    nobody = {"operationId": "7", "threeDSAuthResponse": "x"}
    assert refused(post(gateway, "/orders/3steps/validation", nobody)) == "GW0001"
    pares = gateway.challenge(operation_id, "approve")["PaRes"]
    body = {"operationId": operation_id, "threeDSAuthResponse": pares}
    value = read(post(gateway, "/orders/3steps/validation", body))[
        "threeDSAuthResult"
    ]["authenticationValue"]
    for name, wrong in (
        ("order", {**ORDER, "amount": "1251"}),
        ("order", {**ORDER, "currency": "USD"}),
        ("card", {**CARD, "pan": "5186151650005008"}),
        ("card", {**CARD, "expiryDate": "1130"}),
    ):
        changed = {**payment(operation_id, authenticationValue=value), name: wrong}
        assert refused(post(gateway, "/orders/3steps/payment", changed)) == "GW0001"
    assert gateway.charges("ORDER0000000000001") == 0


def test_orders_in_a_window(gateway: Simulator) -> None:
    init(gateway)
    listed = read(get(gateway, "/orders"))
    schema("OrderList").validate(listed)
    assert [o["order"]["orderId"] for o in listed["orders"]] == ["ORDER0000000000001"]
    past = "/orders?fromTime=2020-01-01T00:00:00.000Z&toTime=2020-01-02T00:00:00.000Z"
    assert read(get(gateway, past)) == {"orders": []}
    for wrong in ("fromTime=x", "maxRecords=501", "maxRecords=x"):
        assert get(gateway, f"/orders?{wrong}").status == 400


def test_planned_replies(gateway: Simulator) -> None:
    gateway.next_reply("/payment_methods", Reply(500))
    assert get(gateway, "/payment_methods").status == 500
    assert get(gateway, "/payment_methods").status == 200
    gateway.lose_next_answer("/init")
    body = {"order": ORDER, "card": CARD}
    assert post(gateway, "/orders/3steps/init", body).fault == "cut"
    assert gateway.record("ORDER0000000000001") is not None
    assert gateway.counts["POST /orders/3steps/init"] == 1


def test_pending_ends_by_the_clock(gateway: Simulator) -> None:
    pan = next(c.number for c in TEST_CARDS if c.ending == "pending_then_paid")
    operation_id = init(gateway, "2steps", pan)
    pares = gateway.challenge(operation_id, "approve")["PaRes"]
    body = payment(operation_id, threeDSAuthResponse=pares)
    body["card"] = {**CARD, "pan": pan}
    post(gateway, "/orders/2steps/payment", body)
    assert gateway.charges("ORDER0000000000001") == 0
    gateway.advance(21)
    assert gateway.charges("ORDER0000000000001") == 1


def issuer(gateway: Simulator, path: str = "", **fields: str) -> Reply:
    from urllib.parse import urlencode

    url = SITE + "/monetaweb/phoenixstos" + path
    headers = {"Accept-Language": fields.pop("language", "en")}
    return gateway.handle("POST", url, headers, urlencode(fields).encode())


def test_the_issuers_page(gateway: Simulator) -> None:
    operation_id = init(gateway)
    fields = {"transactionId": operation_id, "ReturnUrl": "http://x/?a='\"><b>"}
    asked = issuer(gateway, **fields)
    page = asked.body.decode()
    assert "12.50 EUR" in page
    assert "•••• 4549" in page
    assert "<b>" not in page
    assert asked.headers["Cache-Control"] == "no-store"
    assert "SIMULATORE" in issuer(gateway, language="it", **fields).body.decode()
    for answer, count in (("approve", 2), ("refuse", 2), ("walk_away", 0), ("x", 0)):
        reply = issuer(gateway, "/answer", answer=answer, **fields)
        assert reply.body.decode().count('type="hidden"') == count
    script = gateway.handle("GET", SITE + "/monetaweb/phoenixstos.js", {}, b"")
    assert b"submit" in script.body
    assert issuer(gateway, "/else", **fields).status == 404


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"transactionId": "7", "ReturnUrl": "http://x/"},
        {"ReturnUrl": "javascript:alert(1)"},
    ],
)
def test_the_issuers_page_without_its_data(
    gateway: Simulator, fields: dict[str, str]
) -> None:
    operation_id = init(gateway)
    reply = issuer(gateway, **{"transactionId": operation_id, **fields})
    assert reply.status == 400
    assert b"javascript" not in reply.body
    url = SITE + "/monetaweb/phoenixstos"
    assert gateway.handle("POST", url, {}, b"\xff").status == 400
    assert gateway.handle("GET", url, {}, b"").status == 400


def test_orders_outlive_a_restart_and_hold_no_card(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    first = Simulator(path)
    operation_id = init(first)
    first.challenge(operation_id, "approve")
    files = b"".join(f.read_bytes() for f in tmp_path.iterdir())
    assert CARD["pan"].encode() not in files
    assert b"434994******4549" in files
    first.reset()
    second = Simulator(path)
    found = second.record("ORDER0000000000001")
    assert found is not None
    assert found["approved"] is True
    second.reset()


def test_a_broken_change_is_rolled_back(gateway: Simulator) -> None:
    operation_id = init(gateway)
    with pytest.raises(ZeroDivisionError), gateway.store.edit(operation_id) as record:
        assert record is not None
        record["amount"] = "1"
        raise ZeroDivisionError
    found = gateway.record("ORDER0000000000001")
    assert found is not None
    assert found["amount"] == "1250"


def test_as_an_adapter(gateway: Simulator) -> None:
    session = requests.Session()
    session.mount("http://localhost:8000", SimulatorAdapter(gateway))
    response = session.get(API + "/payment_methods", headers=HEADERS)
    assert response.status_code == 200
    assert response.json()["paymentMethods"][0]["circuit"] == "VISA"
    gateway.lose_next_answer("/payment_methods")
    with pytest.raises(requests.ConnectionError, match="aborted"):
        session.get(API + "/payment_methods", headers=HEADERS)
    gateway.next_reply("/payment_methods", Reply(503, fault="refused"))
    with pytest.raises(requests.ConnectionError, match="refused"):
        session.get(API + "/payment_methods", headers=HEADERS)
    session.close()


def test_as_a_server() -> None:
    gateway = Simulator()
    with running(gateway, latency=0.01) as server:
        url = server.base_url + "/payment_methods"
        with requests.Session() as session:
            assert session.get(url, headers=HEADERS, timeout=5).status_code == 200
            gateway.lose_next_answer("/payment_methods")
            with pytest.raises(requests.ConnectionError):
                session.get(url, headers=HEADERS, timeout=5)
            body = json.dumps({"order": ORDER, "card": CARD})
            answer = session.post(
                server.base_url + "/orders/3steps/init",
                data=body,
                headers=HEADERS,
                timeout=5,
            ).json()
            port = server.server_address[1]
            assert answer["threeDSAuthUrl"] == (
                f"http://localhost:{port}/monetaweb/phoenixstos"
            )
    gateway.reset()


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "nexi_payments.simulator", "--port", "0", "--key", "k"],
        ["manage.py", "nexi_simulator", "--port", "0", "--latency-ms", "1"],
    ],
)
def test_as_a_process(command: list[str], tmp_path: Path) -> None:
    root = Path(__file__).resolve().parent.parent
    if command[0] == "manage.py":
        command = [*command, "--state", str(tmp_path / "state.sqlite3")]
    process = subprocess.Popen(
        [sys.executable, "-u", *command],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    word, base_url = process.stdout.readline().split()
    assert word == "BASE_URL"
    answer = requests.get(base_url + "/payment_methods", headers=HEADERS, timeout=5)
    assert answer.status_code == 200
    process.terminate()
    process.wait()
    process.stdout.close()


def test_the_cards() -> None:
    assert all(luhn_valid(card.number) for card in TEST_CARDS)
    assert all(brand_of(card.number) == card.brand for card in TEST_CARDS)
    assert len({card.number for card in TEST_CARDS}) == len(TEST_CARDS)
    assert ending_of("4111111111111111") == "challenge"
    assert brand_of("378282246310005") == "AMEX"
    assert brand_of("6011111111111117") == "MAESTRO"
    assert all(card.label and card.label_it for card in TEST_CARDS)
