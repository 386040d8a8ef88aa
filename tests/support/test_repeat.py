"""The command that a failing test prints repeats that test."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAILS = """
import pytest
from hypothesis import given, strategies

@pytest.mark.parametrize("text", ["a 'b' $c"])
@given(number=strategies.integers())
def test_it(text, number):
    assert not number % 7, f"seen {number}"
"""


@pytest.fixture
def run(tmp_path: Path) -> object:
    (tmp_path / "test_it.py").write_text(FAILS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}

    def once(*arguments: str, **environment: str) -> str:
        switched_off = "django xdist cov schemathesis anyio socket cacheprovider"
        without = [word for one in switched_off.split() for word in ("-p", f"no:{one}")]
        plugin = ("-p", "tests.support.repeat")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *without, *plugin, *arguments],
            env={**kept, "PYTHONPATH": str(ROOT), "DATABASE_URL": "", **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert "1 failed" in done.stdout, done.stdout + done.stderr
        return done.stdout

    return once


def told(output: str) -> list[str]:
    """The words of the command, as make's shell takes them."""
    after = output.split("To repeat it", 1)[1].splitlines()[1]
    return shlex.split(after)


def seen(output: str) -> list[str]:
    return re.findall(r"seen (-?\d+)", output)


def test_the_command_repeats_the_failure(run) -> None:
    first = run()
    make, test, arguments = told(first)
    assert (make, test) == ("make", "test")
    name, seed = shlex.split(arguments.removeprefix("ARGS=").replace("$$", "$"))
    assert name == "test_it.py::test_it[a 'b' $c]"
    assert seed.startswith("--hypothesis-seed=")
    again = run(name, seed)
    assert told(again) == told(first)
    assert seen(again) == seen(first) != []


def test_another_database_is_named_without_its_password(run) -> None:
    url = "postgres://shop:secret@db.test:5432/payments"
    output = run(DATABASE_URL=url)
    assert "secret" not in output
    assert told(output)[0] == "DATABASE_URL=postgres://shop@db.test:5432/payments"
