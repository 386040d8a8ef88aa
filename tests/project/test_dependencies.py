"""No release of a dependency with a published hole is installed (docs/security.md)."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.seen_on("sqlite")

ROOT = Path(__file__).resolve().parents[2]

#: package → the last releases that had one of the holes named in docs/security.md
HOLES = {
    "Django": (
        *(f"5.2.{n}" for n in range(1, 19)),
        "5.2",
        "6.0",
        *(f"6.0.{n}" for n in range(1, 10)),
        "6.1",
        "6.1.1",
        "6.1.2",
    ),
    "requests": ("2.32.4", "2.32.5", "2.33.0"),
    "urllib3": ("2.5.0", "2.6.0", "2.6.2", "2.6.3", "2.7.0"),
    "certifi": ("2023.7.22", "2024.6.2"),
    "cryptography": ("44.0.0", "46.0.4", "46.0.6", "48.0.0", "49.0.0"),
    "python-stdnum": ("2.0",),
    "djangorestframework": ("3.16.0", "3.17.1", "3.17.2", "3.18.1"),
}
#: the releases that the table says we begin with
FIRST = {
    "Django": ("5.2.19", "6.0.10", "6.1.3"),
    "requests": ("2.33.1",),
    "urllib3": ("2.8.0",),
    "certifi": ("2024.7.4",),
    "cryptography": ("50.0.0",),
    "python-stdnum": ("2.1",),
    "djangorestframework": ("3.18.2",),
}


def promised() -> dict[str, Requirement]:
    """What ``pip install`` of the package, with the extra "api", asks for."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = (
        setup["options"]["install_requires"]
        + setup["options.extras_require"]["api"]
        + setup["options.extras_require"]["dev"]
    )
    found = [Requirement(one) for one in lines.splitlines() if one and one[0] != "#"]
    return {one.name: one for one in found}


def listed(path: str) -> dict[str, Requirement]:
    lines = (ROOT / path).read_text().splitlines()
    found = [Requirement(one) for one in lines if one and one[0] not in "#-"]
    return {one.name: one for one in found}


@pytest.mark.parametrize("package", HOLES)
def test_no_release_with_a_hole_is_installed(package: str) -> None:
    wanted = promised()[package].specifier
    assert [one for one in HOLES[package] if one in wanted] == []
    assert [one for one in FIRST[package] if one not in wanted] == []


@pytest.mark.parametrize(
    "path", ["requirements.txt", "tests/integrations/requirements.txt"]
)
def test_nor_here_or_in_the_shops_of_others(path: str) -> None:
    ours = listed(path)
    for package in set(HOLES) & set(ours):
        wanted = ours[package].specifier
        assert [one for one in HOLES[package] if one in wanted] == [], package


@pytest.mark.parametrize("package", HOLES)
def test_what_runs_here_is_one_of_them(package: str) -> None:
    assert importlib.metadata.version(package) in promised()[package].specifier


LOCKS = ("requirements", "requirements-dev", "requirements-release")


def locked(name: str) -> dict[str, list[tuple[str, int]]]:
    """Package → its pinned releases, one for each Python, and the files of each."""
    text = (ROOT / f"{name}.lock").read_text()
    found: dict[str, list[tuple[str, int]]] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", text.partition("make lock\n")[2]):
        package, version = re.match(r"([\w.-]+)==([^ ;]+)", entry).groups()  # type: ignore[union-attr]
        files = len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry))
        found.setdefault(package, []).append((version, files))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_what_is_wanted_with_the_hash_of_each_file(name: str) -> None:
    pinned = locked(name)
    for package, wanted in listed(f"{name}.txt").items():
        versions = pinned[canonicalize_name(package)]
        assert all(version in wanted.specifier for version, _files in versions), package
    assert all(files for versions in pinned.values() for _version, files in versions)


@pytest.mark.parametrize("package", HOLES)
@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_pins_a_release_with_a_hole(name: str, package: str) -> None:
    versions = {one for one, _files in locked(name).get(package.lower(), ())}
    assert versions.isdisjoint(HOLES[package])


def test_development_runs_on_what_the_demo_runs_on() -> None:
    demo, development = locked("requirements"), locked("requirements-dev")
    assert {name: development.get(name) for name in demo} == demo


def test_no_lock_names_an_index_or_a_folder() -> None:
    for name in LOCKS:
        text = (ROOT / f"{name}.lock").read_text()
        assert not re.search(r"index-url|find-links|://|file:", text), name


def test_the_table_is_true() -> None:
    page = (ROOT / "docs/security.md").read_text().partition("## Floors")[2]
    rows = re.findall(r"^\| ([\w-]+)(?: [\d.]+)? \| ([\d.]+) \|", page, re.M)
    told: dict[str, tuple[str, ...]] = {}
    for package, version in rows:
        told[package] = (*told.get(package, ()), version)
    assert told == FIRST
