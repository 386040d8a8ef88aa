"""The simulator behind a socket of its own."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests

from nexi_payments.simulator import (
    BackOffice,
    Lagging,
    Pending,
    Simulator,
    World,
    server,
)
from nexi_payments.simulator.server import SimulatorServer, run_in_thread
from tests.simulator.merchant_client import (
    CANCEL_URL,
    MerchantClient,
    card_body,
    hosted_order,
    purchase,
)


@pytest.fixture
def serving(simulator: Simulator) -> Iterator[SimulatorServer]:
    with run_in_thread(simulator, verbose=True) as found:
        yield found


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["X-Api-Key"] = "k"
        session.headers["Correlation-Id"] = str(uuid.uuid4())
        yield session


def test_a_payment_over_a_socket(
    serving: SimulatorServer, session: requests.Session, simulator: Simulator
) -> None:
    base = serving.base_url
    answer = session.post(base + "/orders/3steps/init", json=purchase()).json()
    site = base.partition("/api/")[0]
    assert answer["threeDSAuthUrl"] == site + "/monetaweb/phoenixstos"
    operation_id = answer["operation"]["operationId"]
    fields = {
        "ThreeDsRequest": answer["threeDSAuthRequest"],
        "ReturnUrl": "https://shop.test/back",
        "transactionId": operation_id,
    }
    page = session.post(answer["threeDSAuthUrl"], data=fields)
    assert page.status_code == 200
    assert "no real bank" in page.text
    answered = session.post(
        answer["threeDSAuthUrl"] + "/answer", data=fields | {"answer": "approve"}
    )
    pares = re.findall('name="PaRes" value="([^"]*)"', answered.text)[0]
    validated = session.post(
        base + "/orders/3steps/validation",
        json={"operationId": operation_id, "threeDSAuthResponse": pares},
    ).json()
    value = validated["threeDSAuthResult"]["authenticationValue"]
    paid = session.post(
        base + "/orders/3steps/payment",
        json=purchase()
        | {
            "operationId": operation_id,
            "threeDSAuthData": {"authenticationValue": value},
        },
    ).json()
    assert paid["operation"]["operationResult"] == "EXECUTED"
    assert simulator.charge_count("ORDER1") == 1


def test_a_cut_is_a_closed_socket(
    serving: SimulatorServer,
    session: requests.Session,
    simulator: Simulator,
    terminal: MerchantClient,
) -> None:
    ready = terminal.authenticated_payment(purchase("answer_lost"))
    with pytest.raises(requests.ConnectionError, match="Connection aborted"):
        session.post(serving.base_url + "/orders/3steps/payment", json=ready)
    assert simulator.charge_count("ORDER1") == 1


def test_a_server_cannot_refuse_a_connection(
    serving: SimulatorServer, session: requests.Session
) -> None:
    url = serving.base_url + "/orders/3steps/init"
    reply = session.post(url, json=purchase("gateway_down"))
    assert reply.status_code == 503


def test_the_log_has_method_and_path_only(
    serving: SimulatorServer,
    session: requests.Session,
    capfd: pytest.CaptureFixture[str],
) -> None:
    session.post(serving.base_url + "/orders/3steps/init?pan=1", json=purchase())
    session.get(serving.base_url + "/orders/UNKNOWN?q=secret")
    logged = capfd.readouterr().err.splitlines()
    path = urlsplit(serving.base_url).path
    assert logged == [
        f"POST {path}/orders/3steps/init 200",
        f"GET {path}/orders/UNKNOWN 404",
    ]
    assert card_body()["pan"] not in "".join(logged)


def test_it_can_be_silent(
    simulator: Simulator,
    session: requests.Session,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with run_in_thread(simulator) as quiet:
        session.get(quiet.base_url + "/payment_methods")
    assert capfd.readouterr().err == ""


def test_answers_are_not_held_back(
    serving: SimulatorServer,
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two writes on a kept connection: with Nagle on, 40 ms each."""
    at_once = []
    serve = server._Handler.do_GET

    def noting(handler: server._Handler) -> None:
        option = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
        at_once.append(handler.connection.getsockopt(*option))
        serve(handler)

    monkeypatch.setattr(server._Handler, "do_GET", noting)
    for _ in range(20):
        assert session.get(serving.base_url + "/payment_methods").ok
    assert len(at_once) == 20
    assert all(at_once)


def test_a_slow_server(
    simulator: Simulator, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(server, "time", SimpleNamespace(sleep=slept.append))
    with run_in_thread(simulator, latency=0.05) as slow:
        session.get(slow.base_url + "/payment_methods")
    assert slept == [0.05]


def said(address: tuple[str, int], request: bytes) -> bytes:
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(request)
        return connection.recv(4096)


@pytest.mark.parametrize("length", ["-1", "x", "²", str(10**9)])
def test_a_length_it_does_not_believe(serving: SimulatorServer, length: str) -> None:
    host, port = serving.server_address[:2]
    request = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    answer = said((str(host), port), request.encode())
    assert answer.startswith(b"HTTP/1.1 413")


def test_noise_is_no_request(
    serving: SimulatorServer, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = serving.server_address[:2]
    assert b"400" in said((str(host), port), b"what is this, a request?\r\n\r\n")
    assert "Traceback" not in capfd.readouterr().err


def test_only_this_machine_by_default(serving: SimulatorServer) -> None:
    assert serving.server_address[0] == "127.0.0.1"


def test_the_command_line(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite3"
    command = [sys.executable, "-m", "nexi_payments.simulator", "--port", "0"]
    command += ["--state", str(state), "--latency-ms", "1", "--key", "mine"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = process.stdout.readline().removeprefix("BASE_URL ").strip()
            headers = {"X-Api-Key": "mine", "Correlation-Id": str(uuid.uuid4())}
            for key, status in (("mine", 200), ("other", 401)):
                reply = requests.get(
                    base + "/orders", headers=headers | {"X-Api-Key": key}, timeout=10
                )
                assert reply.status_code == status
        finally:
            process.terminate()
    assert state.exists()


def test_ctrl_c_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: SimulatorServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SimulatorServer, "serve_forever", interrupted)
    server.main(["--port", "0"])
    assert capsys.readouterr().out.startswith("BASE_URL http://localhost:")


def test_worlds_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on: list[tuple[World, ...]] = []
    monkeypatch.setattr(
        SimulatorServer, "serve_forever", lambda self: on.append(self.simulator.worlds)
    )
    server.main(["--port", "0"])
    server.main(["--port", "0", "--world", "lagging,pending", "--world", "backoffice"])
    assert on == [(), (Lagging(), Pending(), BackOffice())]
    with pytest.raises(SystemExit) as stopped:
        server.main(["--port", "0", "--world", "lagging,slow"])
    assert stopped.value.code == 2
    assert "no world 'slow'; there are: lagging, ahead" in capsys.readouterr().err
    assert len(on) == 2


def test_a_head_is_not_served(serving: SimulatorServer) -> None:
    host, port = serving.server_address[:2]
    connection = http.client.HTTPConnection(str(host), port, timeout=5)
    connection.request("HEAD", "/")
    assert connection.getresponse().status == 501
    connection.close()


def test_a_hosted_page_over_a_socket(
    serving: SimulatorServer, session: requests.Session, simulator: Simulator
) -> None:
    """The page is on the API's own origin, so that the client takes it by http."""
    created = session.post(serving.base_url + "/orders/hpp", json=hosted_order()).json()
    assert created["hostedPage"].startswith(serving.base_url.partition("/api/")[0])
    page = session.get(created["hostedPage"])
    assert "Choose how to pay" in page.text
    paid = session.post(
        created["hostedPage"] + "&method=PAYPAL",
        data={"ending": "pay", "notify": "never"},
    )
    assert "The payment was made" in paid.text
    assert simulator.charge_count("ORDER1") == 1
    left = session.post(serving.base_url + "/orders/hpp", json=hosted_order("ORDER2"))
    answer = session.post(
        left.json()["hostedPage"] + "&method=PAYPAL",
        data={"ending": "leave"},
        allow_redirects=False,
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, CANCEL_URL)
