"""The judge of the wheel's contents notices a missing file, and a foreign one."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.wheel import distribution

NAMES = [*distribution.REQUIRED_FILES, "setup.cfg", "tests/conftest.py"]
METADATA = "".join(f"Provides-Extra: {name}\n" for name in distribution.EXTRAS)


def made(
    place: Path, *, without: str = "", foreign: str = "", metadata: str = METADATA
) -> distribution.Distribution:
    inside = [name for name in distribution.REQUIRED_FILES if name != without]
    inside += [foreign] if foreign else []
    info = [f"x-1.dist-info/{name}" for name in distribution.DIST_INFO]
    wheel, sdist = place / "x.whl", place / "x.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in [*inside, *info]:
            archive.writestr(name, metadata if name.endswith("METADATA") else "")
    with tarfile.open(sdist, "w:gz") as archive_:
        for name in [*inside, *distribution.SDIST_TOP, "x.egg-info/SOURCES.txt"]:
            archive_.addfile(tarfile.TarInfo(f"x-1/{name}"), io.BytesIO())
    return distribution.Distribution(wheel, sdist)


def test_a_good_one(tmp_path: Path) -> None:
    assert distribution.find_problems(made(tmp_path), NAMES) == []


@pytest.mark.parametrize("name", distribution.REQUIRED_FILES)
def test_a_missing_file_is_noticed(tmp_path: Path, name: str) -> None:
    found = distribution.find_problems(made(tmp_path, without=name), NAMES)
    assert found == [
        f"wheel: {name} is missing",
        f"sdist: {name} is missing",
        f"wheel: no {name}",
    ]
    others = [other for other in NAMES if other != name]
    assert distribution.find_problems(made(tmp_path, without=name), others) == found[2:]


@pytest.mark.parametrize(
    "name", ["tests/x.py", "demo_shop/x.py", "nexi_payments/a.pyc"]
)
def test_a_foreign_file_is_noticed(tmp_path: Path, name: str) -> None:
    assert distribution.find_problems(made(tmp_path, foreign=name), NAMES) == [
        f"wheel: {name} does not belong there",
        f"sdist: {name} does not belong there",
    ]


def test_extras_are_exactly_these(tmp_path: Path) -> None:
    few = METADATA.replace("Provides-Extra: money\n", "") + "Provides-Extra: all\n"
    assert distribution.find_problems(made(tmp_path, metadata=few), NAMES) == [
        "extras: money is missing",
        "extras: all does not belong there",
    ]
