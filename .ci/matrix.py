"""The tests on every Python and Django that is promised: ``make matrix``.

    make matrix                          all of them, each with the whole suite
    make matrix ARGS="tests/api -x"      these tests only
    make matrix PYTHONS=3.13             this Python only
    make matrix PYTHONS=3.12 DJANGO=5.2  this Python with another Django
    make matrix DJANGO=floors            the oldest of all that setup.cfg allows

Each has an environment of its own, .venv-3.12-6.0 and so on. A Python that is not on this
machine is left out with a notice; with CI set that is an error.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements.txt"
#: Python → Django
PAIRS = {"3.11": "5.2", "3.12": "6.0", "3.13": "6.1"}
FLOORS = "floors"
WHOLE = ("-q", "-n", "auto", "--dist", "worksteal")


def candidates(version: str) -> Iterator[str]:
    """Where an interpreter may be: the one we run on, PATH, and pyenv's folder, whose
    shims on PATH answer only for the versions that are switched on."""
    yield sys.executable
    yield shutil.which(f"python{version}") or ""
    for root in pyenv_roots():
        for place in sorted((root / "versions").glob(f"{version}.*"), reverse=True):
            yield str(place / "bin" / "python")


def pyenv_roots() -> Iterator[Path]:
    if root := os.environ.get("PYENV_ROOT"):
        yield Path(root)
    if command := shutil.which("pyenv"):
        said = subprocess.run([command, "root"], capture_output=True, text=True)
        if said.stdout.strip():
            yield Path(said.stdout.strip())
    yield Path.home() / ".pyenv"


def interpreter(version: str) -> str | None:
    """One that runs, is this version and can make environments."""
    script = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    for path in filter(None, candidates(version)):
        try:
            said = subprocess.run([path, "-c", script], capture_output=True, text=True)
        except OSError:
            continue
        if said.stdout.strip() == version:
            return path
    return None


def environment(version: str, python: str, django: str) -> Path:
    """The interpreter of .venv-<version>-<Django>, made or brought up to date."""
    place = ROOT / f".venv-{version}-{django}"
    # the floors go over what requirements.txt asks for: it may want newer ones
    steps = [["-r", str(REQUIREMENTS), *_of(django)]]
    if django == FLOORS:
        steps = [["-r", str(REQUIREMENTS)], _of(django)]
    if os.environ.get("DATABASE_URL", "").startswith("mysql"):
        steps.append(["mysqlclient>=2.2.1"])
    stamp = place / "made-of"
    made_of = REQUIREMENTS.read_text() + repr(steps)
    inside = place / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == made_of:
        return inside
    subprocess.run([python, "-m", "venv", "--clear", str(place)], check=True)
    install = (str(inside), "-m", "pip", "install", "-q", "--disable-pip-version-check")
    for packages in steps:
        subprocess.run([*install, *packages], check=True)
    stamp.write_text(made_of)
    return inside


def _of(django: str) -> list[str]:
    if django != FLOORS:
        return [f"Django=={django}.*"]
    floors: list[str] = runpy.run_path(str(ROOT / ".ci/floors.py"))["floors"]()
    return floors


def run(version: str, python: str, django: str, arguments: list[str]) -> bool:
    inside = environment(version, python, django)
    print(f"-- Python {version}, Django {django}", flush=True)
    done = subprocess.run(
        [str(inside), "-m", "pytest", "-p", "no:cacheprovider", *(arguments or WHOLE)],
        cwd=ROOT,
        env={**os.environ, "SQLITE_TEST_FILE": str(inside.parents[1] / "test.sqlite3")},
    )
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    django = os.environ.get("DJANGO", "")
    few = ["3.11"] if django == FLOORS else list(PAIRS)
    wanted = os.environ.get("PYTHONS", "").split() or few
    if unknown := set(wanted) - set(PAIRS):
        sys.exit(f"no such pair: {', '.join(unknown)}; there are {', '.join(PAIRS)}")
    found = {version: interpreter(version) for version in wanted}
    if arguments == ["--found"]:
        print(*(version for version, python in found.items() if python))
        return 0
    bad = [
        version
        for version, python in found.items()
        if python and not run(version, python, django or PAIRS[version], arguments)
    ]
    missing = [version for version, python in found.items() if not python]
    for version in missing:
        print(f"-- Python {version} is not on this machine: NOT TESTED")
    for version in bad:
        print(f"-- Python {version}, Django {django or PAIRS[version]}: FAILED")
    return 1 if bad or (missing and os.environ.get("CI")) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
