"""Servers in processes of their own: a port for one, and whether it is up."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any

#: Seconds; a demo that migrates and fills a database on a busy machine takes a minute.
_PATIENCE = 180


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_until_up(address: str, process: subprocess.Popen[Any]) -> None:
    """Until it answers anything. An ``AssertionError`` when it ends, or does not."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        assert process.poll() is None, f"{address} ended: {process.returncode}"
        try:
            urllib.request.urlopen(address, timeout=30).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"{address} did not come up in {_PATIENCE} s")
