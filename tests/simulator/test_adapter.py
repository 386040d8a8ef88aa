"""``requests`` over the simulator behaves as over a socket."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from http.client import RemoteDisconnected

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from nexi_payments.simulator import Simulator, SimulatorAdapter
from tests.simulator.merchant_client import API, MerchantClient, purchase


@pytest.fixture
def session(simulator: Simulator) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.mount("http://", SimulatorAdapter(simulator))
        session.headers["X-Api-Key"] = "k"
        session.headers["Correlation-Id"] = str(uuid.uuid4())
        yield session


def test_a_call_and_its_answer(session: requests.Session) -> None:
    response = session.post(API + "/orders/3steps/init", json=purchase())
    assert (response.status_code, response.reason) == (200, "OK")
    assert response.headers["content-type"] == "application/json"
    assert response.json()["operation"]["operationResult"] == "PENDING"
    assert response.request.method == "POST"
    assert response.url == API + "/orders/3steps/init"
    again = session.post(
        API + "/orders/3steps/init", data=json.dumps(purchase())
    )  # a text as body
    assert again.status_code == 400
    with pytest.raises(requests.HTTPError, match="400 Client Error: Bad Request"):
        again.raise_for_status()


def test_the_raw_body_reads_as_from_a_socket(session: requests.Session) -> None:
    url = API + "/payment_methods"
    whole = session.get(url).content
    with session.get(url, stream=True) as response:
        assert response.raw.read(4, decode_content=False) == whole[:4]
        assert response.raw.read1(3) == whole[4:7]
        assert b"".join(response.raw.stream(8)) == whole[7:]
    with session.get(url, stream=True) as response:
        assert b"".join(response.iter_content(5)) == whole
        assert response.raw.status == 200
        assert "cid" in response.raw.headers


def test_a_refused_connection(session: requests.Session) -> None:
    with pytest.raises(requests.ConnectionError) as error:
        session.post(API + "/orders/3steps/init", json=purchase("gateway_down"))
    retries = error.value.args[0]
    assert isinstance(retries, MaxRetryError)
    assert isinstance(retries.reason, NewConnectionError)
    assert error.value.request is not None


def test_a_cut_connection(
    session: requests.Session, simulator: Simulator, terminal: MerchantClient
) -> None:
    simulator.lose_next_answer("/payment")
    with pytest.raises(requests.ConnectionError) as error:
        session.post(
            API + "/orders/3steps/payment",
            json=terminal.authenticated_payment(purchase()),
        )
    aborted = error.value.args[0]
    assert isinstance(aborted, ProtocolError)
    assert isinstance(aborted.args[1], RemoteDisconnected)
    assert simulator.charge_count("ORDER1") == 1
