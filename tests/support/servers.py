"""Servers in processes of their own: find a port, wait until one is up."""

from __future__ import annotations

import socket
import subprocess
import urllib.error
import urllib.request
from typing import Any

from tests.support.waiting import wait_until

#: Seconds; a demo that migrates and fills a database on a busy machine takes a minute.
_STARTUP_TIMEOUT = 180


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_until_up(address: str, process: subprocess.Popen[Any]) -> None:
    """Wait until it answers. Raise ``AssertionError`` if it ends or does not."""

    def answers() -> bool:
        assert process.poll() is None, f"{address} ended: {process.returncode}"
        try:
            urllib.request.urlopen(address, timeout=30).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    if not wait_until(answers, _STARTUP_TIMEOUT, every=0.2):
        raise AssertionError(f"{address} did not come up in {_STARTUP_TIMEOUT} s")
