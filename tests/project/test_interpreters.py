"""``make matrix`` on machines that lack a Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = f"3.{sys.version_info.minor}"
OTHER = "3.12" if HERE == "3.13" else "3.13"


def matrix(
    tmp_path: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """In a home without pyenv, with a PATH that leads nowhere."""
    ours = ("CI", "PYENV_ROOT", "PYTHONS", "DJANGO")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    bare = {"HOME": str(tmp_path), "PATH": str(tmp_path)}
    return subprocess.run(
        [sys.executable, ".ci/matrix.py", *arguments],
        cwd=ROOT,
        env={**kept, **bare, **environment},
        capture_output=True,
        text=True,
    )


def test_the_python_that_runs_is_found(tmp_path: Path) -> None:
    assert matrix(tmp_path, "--found").stdout == f"{HERE}\n"


def test_pyenvs_folder_is_looked_through(tmp_path: Path) -> None:
    place = tmp_path / "versions" / f"{OTHER}.7" / "bin"
    place.mkdir(parents=True)
    (place / "python").write_text(f"#!/bin/sh\necho {OTHER}\n")
    (place / "python").chmod(0o755)
    done = matrix(tmp_path, "--found", PYENV_ROOT=str(tmp_path), PYTHONS=OTHER)
    assert done.stdout == f"{OTHER}\n"


def test_a_shim_that_runs_nothing_is_no_python(tmp_path: Path) -> None:
    (tmp_path / f"python{OTHER}").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / f"python{OTHER}").chmod(0o755)
    assert matrix(tmp_path, "--found", PYTHONS=OTHER).stdout == "\n"


@pytest.mark.parametrize(("environment", "code"), [({}, 0), ({"CI": "true"}, 1)])
def test_a_missing_python_is_said_and_in_ci_an_error(
    tmp_path: Path, environment: dict[str, str], code: int
) -> None:
    done = matrix(tmp_path, PYTHONS=OTHER, **environment)
    assert done.stdout == f"-- Python {OTHER} is not on this machine: NOT TESTED\n"
    assert done.returncode == code


def test_a_python_that_is_not_promised(tmp_path: Path) -> None:
    done = matrix(tmp_path, PYTHONS="3.9")
    assert done.returncode == 1
    assert done.stderr == "no such pair: 3.9; there are 3.11, 3.12, 3.13\n"
