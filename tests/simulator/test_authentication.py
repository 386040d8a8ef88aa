"""Who is let in: keys, headers, bodies and addresses."""

from __future__ import annotations

import uuid

import pytest

from nexi_payments.simulator import Simulator
from tests.simulator.merchant_client import API, MerchantClient


def test_a_key_is_needed() -> None:
    for keys, sent, status in (
        (None, "", 401),
        (None, " ", 401),
        (None, "any", 200),
        ({"mine"}, "other", 401),
        ({"mine"}, "mine", 200),
    ):
        terminal = MerchantClient(Simulator(api_keys=keys))
        headers = {"x-api-key": sent, "X-Api-Key": sent}
        assert terminal.call("GET", "/orders", None, headers).status == status
        terminal.simulator.close()


@pytest.mark.parametrize(
    "value", ["", "1", "not-a-uuid", "4f1f5c1e-5b0d-4f0e-9a51-3f6f4b7f2f1"]
)
def test_the_correlation_id_is_a_uuid(terminal: MerchantClient, value: str) -> None:
    code = terminal.rejected_code(
        "/orders/3steps/init", None, {"Correlation-Id": value}
    )
    assert code == "PS0026"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"null", b"[]"])
def test_a_body_must_be_a_json_object(simulator: Simulator, body: bytes) -> None:
    headers = {"X-Api-Key": "k", "Correlation-Id": str(uuid.uuid4())}
    reply = simulator.handle("POST", API + "/orders/3steps/init", headers, body)
    assert reply.status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/unknown", 404),
        ("POST", "/unknown", 404),
        ("POST", "/orders/4steps/init", 404),
        ("POST", "/orders/3steps/init/more", 404),
        ("POST", "/operations/1/unknown", 404),
        ("POST", "/operations/1/refunds/2", 404),
        ("DELETE", "/orders/1", 405),
    ],
)
def test_what_is_not_there(
    terminal: MerchantClient, method: str, path: str, status: int
) -> None:
    reply = terminal.call(method, path, {}, documented=False)
    assert (reply.status, reply.body) == (status, b"")


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://gateway.test/elsewhere", 404),
        ("http://gateway.test/api/phoenix-0.0/psp/api/v1", 404),
        ("http://[gateway.test/api/phoenix-0.0/psp/api/v1/orders", 400),
    ],
)
def test_another_address(simulator: Simulator, url: str, status: int) -> None:
    assert simulator.handle("GET", url, {}, b"").status == status
