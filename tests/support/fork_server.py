"""Forks Python processes that have already imported what needs no settings.

``tests.support.warm_processes`` starts this as a program and asks it for processes. A
start of Django takes a second of a core, two thirds of it for packages of others; the
suite needs a hundred starts. Nothing of ours is imported here, and no settings: these
the process imports as ever, with its own environment, folder and ``sys.path``.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
import types
import warnings
from typing import Any, Final, NoReturn

#: Together with what they import. None is a plugin of pytest, which imports these in
#: its own way; an optional one may be missing.
PRELOADED: Final = (
    "asyncio",
    "concurrent.futures.thread",
    "cryptography.hazmat.primitives.ciphers.aead",
    "django.contrib.admin.templatetags.admin_list",
    "django.contrib.admindocs.views",
    "django.contrib.postgres.fields",
    "django.contrib.staticfiles.storage",
    "django.core.checks",
    "django.core.mail.backends.locmem",
    "django.core.management.commands.migrate",
    "django.core.management.commands.runserver",
    "django.core.management.commands.test",
    "django.core.servers.basehttp",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.db.models",
    "django.forms",
    "django.middleware.csrf",
    "django.template.loader_tags",
    "django.test",
    "django.views.debug",
    "django.views.generic",
    "inflection",
    "jsonschema",
    "pytest",
    "requests",
    "uritemplate",
    "yaml",
)


def serve(control: socket.socket) -> dict[str, Any]:
    """Return in each forked process, with what it shall run. The server itself ends
    when nobody holds the other end of ``control``."""
    awake, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    ends: dict[int, int] = {}
    with selectors.DefaultSelector() as both:
        both.register(control, selectors.EVENT_READ)
        both.register(awake, selectors.EVENT_READ)
        while True:
            for key, _ in both.select():
                if key.fileobj is awake:
                    awake.recv(4096)
                    _report_the_dead(ends)
                elif (request := _forked(control, ends)) is not None:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for one in (control, awake, wake):
                        one.close()
                    return request


def _forked(control: socket.socket, ends: dict[int, int]) -> dict[str, Any] | None:
    """The request, in the forked process; ``None`` in the server."""
    message, files, _, _ = socket.recv_fds(control, 1, 5)
    if not message:
        sys.exit()
    asked, end, *standard = files
    pid = os.fork()
    if pid:
        ends[pid] = end
        os.write(end, b"%d\n" % pid)
        for file in (asked, *standard):
            os.close(file)
        return None
    for number, file in enumerate(standard):
        os.dup2(file, number)
    for file in (end, *standard, *ends.values()):
        os.close(file)
    with open(asked) as file_:
        request: dict[str, Any] = json.load(file_)
    return request


def _report_the_dead(ends: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            end = ends.pop(pid)
            with contextlib.suppress(BrokenPipeError):  # nobody waits for it
                os.write(end, b"%d\n" % os.waitstatus_to_exitcode(status))
            os.close(end)


def run(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """As ``python *arguments`` does: a program after ``-c``, a module after ``-m``, or
    the path of a script; before it ``-W`` and an action."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if arguments[0] == "-W":
        _, action, *arguments = arguments
        sys.warnoptions.append(action)
        warnings.simplefilter(action)  # type: ignore[arg-type]
    first, *rest = arguments
    here = "" if first == "-c" else folder
    if first not in ("-c", "-m"):
        here = os.path.dirname(os.path.join(folder, first))
    more = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [here, *filter(None, more)]
    if first == "-c":
        program, *rest = rest
        sys.argv = ["-c", *rest]
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        exec(compile(program, "<string>", "exec"), main.__dict__)
    elif first == "-m":
        module, *rest = rest
        sys.argv = [module, *rest]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


def end_with(code: int) -> NoReturn:
    """As an interpreter ends, but its modules are not taken to pieces: their memory is
    the server's, and would be copied for that."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def main(control: socket.socket) -> None:
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    request = serve(control)
    try:
        run(**request)
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        end_with(end.code if isinstance(end.code, int) else int(end.code is not None))
    except BaseException:
        traceback.print_exc()
        end_with(1)
    end_with(0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
