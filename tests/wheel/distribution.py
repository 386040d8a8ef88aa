"""Builds wheel and sdist from what is tracked, and looks at what they hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = "nexi_payments/"
#: Beside the package; what setuptools itself adds has the project's name.
SDIST_TOP: Final = frozenset(
    {
        "CHANGELOG.md",
        "LICENSE",
        "MANIFEST.in",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
        "setup.cfg",
    }
)
DIST_INFO: Final = frozenset(
    {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE", "top_level.txt"}
)
EXTRAS: Final = frozenset(
    {"api", "celery", "dev", "django-payments", "metrics", "money", "oscar"}
)
#: One of each kind, by name: a rule that drops a kind drops it from both lists.
REQUIRED_FILES: Final = (
    "nexi_payments/py.typed",
    "nexi_payments/locale/it/LC_MESSAGES/django.mo",
    "nexi_payments/migrations/0001_initial.py",
    "nexi_payments/static/nexi_payments/card.js",
    "nexi_payments/static/nexi_payments/card.svg",
    "nexi_payments/static/nexi_payments/pages.css",
    "nexi_payments/templates/nexi_payments/pay.html",
    "nexi_payments/integrations/oscar/templates/nexi_oscar/preview.html",
    "nexi_payments/templates/nexi_payments/email/receipt.txt",
    "nexi_payments/management/commands/nexi_reconcile.py",
    "nexi_payments/testing/pytest_plugin.py",
)


@dataclass(frozen=True)
class Distribution:
    wheel: Path
    sdist: Path


def tracked_files() -> list[str]:
    """Files of the checkout that git knows and that are still there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


def build(place: Path) -> Distribution:
    """``python -m build`` on a copy: what lies about in the checkout, an old ``build``
    folder too, would get in."""
    source, out = place / "source", place / "dist"
    for name in tracked_files():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(out), str(source)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode or "Package would be ignored" in done.stdout:
        sys.exit(done.stdout)
    return Distribution(*out.glob("*.whl"), *out.glob("*.tar.gz"))


def find_problems(made: Distribution, names: Iterable[str]) -> list[str]:
    """What is wrong with them; ``names`` are the files of the checkout."""
    package = {name for name in names if name.startswith(PACKAGE)}
    with zipfile.ZipFile(made.wheel) as archive:
        inside = archive.namelist()
        info = next(name for name in inside if name.endswith("/METADATA"))
        metadata = message_from_string(archive.read(info).decode())
    with tarfile.open(made.sdist) as archive_:
        files = [one.name for one in archive_.getmembers() if one.isfile()]
    sources = {name.split("/", 1)[1] for name in files}
    generated = {name for name in sources if ".egg-info/" in name}
    folder = info.removesuffix("METADATA")
    extras = set(metadata.get_all("Provides-Extra") or ())
    return [
        *file_differences(
            "wheel", set(inside), package | {folder + one for one in DIST_INFO}
        ),
        *file_differences("sdist", sources - generated, package | SDIST_TOP),
        *file_differences("extras", extras, EXTRAS),
        *(f"wheel: no {name}" for name in REQUIRED_FILES if name not in inside),
    ]


def file_differences(
    where: str, found: Iterable[str], wanted: Iterable[str]
) -> list[str]:
    """Each file that is missing, and each that does not belong there."""
    there, due = set(found), set(wanted)
    return [
        *(f"{where}: {name} is missing" for name in sorted(due - there)),
        *(f"{where}: {name} does not belong there" for name in sorted(there - due)),
    ]
