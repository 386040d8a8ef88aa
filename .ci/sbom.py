"""Writes the bill of materials of a release, in CycloneDX's format: ``make sbom``.

    python .ci/sbom.py --tools .venv-release/bin dist

Installs the wheel of the folder, with the extra "api", into an environment of its own,
and lists what is there: each package with its version, licence and package URL. That is
what a shop gets from ``pip install`` on this day.
"""

from __future__ import annotations

import argparse
import configparser
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
EXTRA = "api"
PACKAGE = "django-nexi-payments"


def required() -> set[str]:
    """Names that ``setup.cfg`` asks for."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"]
    lines += setup["options.extras_require"][EXTRA]
    found = [one for one in lines.splitlines() if one and not one.startswith("#")]
    return {canonicalize_name(Requirement(one).name) for one in found}


def installed(wheel: Path, place: Path) -> Path:
    """The interpreter of an environment with this wheel, and nothing but that."""
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    install = (str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check")
    subprocess.run([*install, f"{wheel}[{EXTRA}]"], check=True)
    # tools of the environment, not of the shop
    tools = ("pip", "setuptools")
    remove = (str(python), "-m", "pip", "uninstall", "-q", "-y", *tools)
    subprocess.run(remove, check=True)
    return python


def bill(tools: Path, python: Path) -> dict[str, Any]:
    command = [
        str(tools / "cyclonedx-py"),
        "environment",
        *("--spec-version", "1.6", "--output-format", "JSON", "--output-reproducible"),
        str(python),
    ]
    env = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    found: dict[str, Any] = json.loads(done.stdout)
    # the bill is about our package: it is the subject, not one of the parts
    (ours,) = (one for one in found["components"] if one["name"] == PACKAGE)
    found["components"].remove(ours)
    ours |= {"type": "library", "purl": f"pkg:pypi/{PACKAGE}@{ours['version']}"}
    for reference in ours.get("externalReferences", ()):
        # the hash of the wheel, and its name instead of a folder of this machine
        reference["url"] = reference["url"].rpartition("/")[2]
    found["metadata"]["component"] = ours
    return found


def check(found: dict[str, Any], wheel: Path) -> None:
    """Each package that we ask for is named, with a version and a package URL."""
    listed = {canonicalize_name(one["name"]): one for one in found["components"]}
    if missing := required() - listed.keys():
        sys.exit(f"the bill of materials lacks {', '.join(sorted(missing))}")
    bare = [name for name, one in listed.items() if not one.get("version")]
    if bare:
        sys.exit(f"without a version: {', '.join(bare)}")
    version = found["metadata"]["component"]["version"]
    if f"-{version}-" not in wheel.name:
        sys.exit(f"{wheel.name} is not version {version}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tools", type=Path, required=True)
    options.add_argument("folder", type=Path)
    given = options.parse_args()
    wheels = sorted(given.folder.glob("django_nexi_payments-*.whl"))
    if len(wheels) != 1:
        sys.exit(f"{given.folder} has {len(wheels)} wheels: make wheel-test ARGS=dist")
    with tempfile.TemporaryDirectory() as place:
        found = bill(
            given.tools.absolute(), installed(wheels[0].absolute(), Path(place))
        )
    check(found, wheels[0])
    target = ROOT / "sbom" / f"{wheels[0].name.partition('-py3')[0]}.cdx.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{target.relative_to(ROOT)}: {len(found['components'])} packages")


if __name__ == "__main__":
    main()
