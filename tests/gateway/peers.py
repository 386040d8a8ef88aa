"""Small servers on real sockets that misbehave, one way each."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import trustme

Behaviour = Callable[[socket.socket], None]


@dataclass
class Peer:
    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    scheme: str = "http"
    host: str = "127.0.0.1"

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def read_request(sock: socket.socket) -> bytes:
    """One whole request, body included; b"" when the client went away."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


@contextlib.contextmanager
def peer(
    behave: Callable[[socket.socket, bytes], object] | None = None,
    *,
    on_connect: Behaviour | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Peer]:
    """``behave(socket, request)`` after each request; a falsy answer closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    it = Peer(listener.getsockname()[1], scheme="https" if tls else "http")
    stop = threading.Event()
    live: list[socket.socket] = []

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            if on_connect is not None:
                live.append(sock)
                on_connect(sock)
                return
            wrapped = tls.wrap_socket(sock, server_side=True) if tls else sock
            with wrapped:
                live.append(wrapped)
                while behave is not None:
                    request = read_request(wrapped)
                    if not request:
                        return
                    it.requests.append(request)
                    if not behave(wrapped, request):
                        return

    def accept() -> None:
        listener.settimeout(0.1)
        while not stop.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                continue
            sock.settimeout(10)
            it.connections += 1
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield it
    finally:
        stop.set()
        thread.join()
        listener.close()
        for sock in live:  # its own thread closes it
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


def server_context(authority: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context
