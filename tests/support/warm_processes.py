"""Python processes that start in a fifth of the time: forks of one that has imported
Django and other packages, but nothing of ours and no settings (``fork_server``).

For tests of what a process does. Those of how one starts (its imports, its options, the
interpreter) use ``subprocess``.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final, Literal

_SERVER: Final = Path(__file__).with_name("fork_server.py")


class WarmProcess:
    """``python *arguments``: a program after ``-c``, a module after ``-m``, or the path
    of a script; of the interpreter's options only ``-W`` and an action. Its standard
    files are open files, or ``PIPE``: then ``self.stdin`` and ``self.stdout`` are the
    other ends, of text."""

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str],
        cwd: Path,
        stdin: IO[Any] | int = subprocess.DEVNULL,
        stdout: IO[Any] | int = subprocess.DEVNULL,
        stderr: IO[Any] | int = subprocess.DEVNULL,
    ) -> None:
        asked = {
            "arguments": arguments,
            "environment": dict(env),
            "folder": str(cwd),
        }
        self.returncode: int | None = None
        with ExitStack() as end:
            request = end.enter_context(tempfile.TemporaryFile("w"))
            json.dump(asked, request)
            request.flush()
            request.seek(0)
            self._told, told = _pipe(end, ours="r")
            if stdin == subprocess.PIPE:
                self.stdin, stdin = _pipe(end, ours="w")
            if stdout == subprocess.PIPE:
                self.stdout, stdout = _pipe(end, ours="r")
            nothing = end.enter_context(open(os.devnull, "r+b"))
            files = [
                nothing if one == subprocess.DEVNULL else one
                for one in (request, told, stdin, stdout, stderr)
            ]
            numbers = [one if isinstance(one, int) else one.fileno() for one in files]
            socket.send_fds(_control(), [b"!"], numbers)
        self.pid = int(self._line())

    def _line(self) -> bytes:
        """Not a byte more than a line: ``select`` does not see what is read ahead."""
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self._told.fileno(), 1)
            assert byte, "the server of processes has ended"
            line += byte
        return line

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative for a signal. Raise ``TimeoutError``."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise TimeoutError(f"{self.pid} still runs after {timeout} s")
            self.returncode = int(self._line())
            self._told.close()
        return self.returncode

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def run(
    *arguments: str, env: Mapping[str, str], cwd: Path, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run([sys.executable, *arguments], capture_output=True,
    text=True)``."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = WarmProcess(*arguments, env=env, cwd=cwd, stdout=out, stderr=err)
        code = process.wait()
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read())
    done = subprocess.CompletedProcess([sys.executable, *arguments], code, *printed)
    if check:
        done.check_returncode()
    return done


def _pipe(end: ExitStack, *, ours: Literal["r", "w"]) -> tuple[IO[str], int]:
    """Our end, and that of the process, which is closed with ``end``."""
    read, write = os.pipe()
    kept, given = (read, write) if ours == "r" else (write, read)
    end.callback(os.close, given)
    return open(kept, ours), given


@functools.cache
def _control() -> socket.socket:
    """Of the server of this process, which ends with it."""
    ours, theirs = socket.socketpair()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DJANGO", "NEXI"))
    }
    with theirs:
        server = subprocess.Popen(
            [sys.executable, str(_SERVER), str(theirs.fileno())],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    atexit.register(server.wait)
    atexit.register(ours.close)
    return ours
