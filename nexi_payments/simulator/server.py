"""The simulator as an HTTP server, on this machine only.

A server that has accepted a connection cannot refuse it: the outcome "gateway down" is
a 503 here.
"""

from __future__ import annotations

import argparse
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from nexi_payments.simulator.simulator import Simulator
from nexi_payments.simulator.worlds import world_names, worlds_by_name

BASE_PATH = "/api/phoenix-0.0/psp/api/v1"

#: Bytes of a request body; a real one has some hundred.
_MAX_BODY: Final = 1024 * 1024


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # head and body are two writes: the second must not wait for an ACK
    disable_nagle_algorithm = True
    server: SimulatorServer

    def _serve(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdigit()) or int(length) > _MAX_BODY:
            self.close_connection = True
            self.send_error(413)
            return
        body = self.rfile.read(int(length))
        host = self.headers.get("Host", "127.0.0.1")
        if self.server.latency:
            time.sleep(self.server.latency)
        reply = self.server.simulator.handle(
            self.command, f"http://{host}{self.path}", dict(self.headers.items()), body
        )
        if reply.fault == "cut":
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log method, path and status only: no query, no body."""
        if self.server.verbose:
            path = getattr(self, "path", "-").partition("?")[0]  # none if malformed
            status = args[1] if len(args) > 1 else ""
            sys.stderr.write(f"{self.command} {path} {status}\n")


class SimulatorServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        simulator: Simulator,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0,
        verbose: bool = False,
    ) -> None:
        self.simulator = simulator
        self.latency = latency
        self.verbose = verbose
        super().__init__((host, port), _Handler)

    @property
    def base_url(self) -> str:
        """URL for ``BASE_URL``. Its host localhost is another site than a shop on
        127.0.0.1, as an issuer's page is."""
        return f"http://localhost:{self.server_address[1]}{BASE_PATH}"


@contextmanager
def run_in_thread(simulator: Simulator, **options: Any) -> Iterator[SimulatorServer]:
    """Run a server in a thread, for tests and benchmarks."""
    server = SimulatorServer(simulator, **options)
    # shutdown() returns at the server's next poll (seconds)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _world_names(text: str) -> list[str]:
    try:
        return world_names(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="nexi_simulator")
    parser.add_argument("--port", type=int, default=8900, help="0 picks a free one")
    parser.add_argument("--state", help="file to keep the orders in")
    parser.add_argument("--latency-ms", type=int, default=0)
    parser.add_argument("--key", action="append", help="accept only this API key")
    parser.add_argument("--world", action="extend", default=[], type=_world_names)
    parser.add_argument("--seed", default="", help="repeats what the worlds decide")
    options = parser.parse_args(argv)
    simulator = Simulator(
        options.state,
        api_keys=options.key,
        worlds=worlds_by_name(options.world),
        seed=options.seed,
    )
    simulator.notifies_in_background = True
    server = SimulatorServer(
        simulator, port=options.port, latency=options.latency_ms / 1000, verbose=True
    )
    print(f"BASE_URL {server.base_url}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
