"""Puts known defects into a copy of the code, one at a time: the tests must notice each.

    python .ci/mutants.py [NAME …]

The tables are the list of ways in which payment software has gone wrong before.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import defects_elsewhere
import defects_of_books
import defects_of_flows
import defects_of_hosted_pages
import defects_of_inquiries
import defects_of_security
import defects_of_staff_rules

ROOT = Path(__file__).resolve().parent.parent
#: Defects that are tried side by side, each in a copy of its own.
AT_ONCE = 2

#: name → (file, what it says, what the defect says instead, the tests that must fail)
MUTANTS = {
    **defects_of_books.DEFECTS,
    **defects_of_flows.DEFECTS,
    **defects_of_hosted_pages.DEFECTS,
    **defects_of_inquiries.DEFECTS,
    **defects_of_security.DEFECTS,
    **defects_of_staff_rules.DEFECTS,
    **defects_elsewhere.DEFECTS,
}


def survives(name: str, folder: Path) -> bool:
    """Whether the tests pass with the defect in."""
    path, says, instead, tests = MUTANTS[name]
    original = (ROOT / path).read_text()
    if says not in original:
        sys.exit(f"{name}: {path} does not say that any more")
    (folder / path).write_text(original.replace(says, instead))
    passed = passes(tests, folder)
    (folder / path).write_text(original)
    return passed


def passes(tests: str, folder: Path, *options: str) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *options, *sorted(set(tests.split()))],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "SQLITE_TEST_FILE"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        sys.exit(f"the tests did not run\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def copied(folder: Path) -> Path:
    shutil.copytree(
        ROOT,
        folder,
        ignore=shutil.ignore_patterns(".venv*", ".git", "*.sqlite3*", ".*_cache"),
    )
    return folder


def main() -> None:
    chosen = sys.argv[1:] or list(MUTANTS)
    alive = []
    with tempfile.TemporaryDirectory() as where:
        free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for place in range(AT_ONCE):
            free.put(copied(Path(where) / f"copy-{place}"))

        def tried(name: str) -> tuple[str, bool, float]:
            folder = free.get()
            started = time.monotonic()
            try:
                return name, survives(name, folder), time.monotonic() - started
            finally:
                free.put(folder)

        everything = " ".join(MUTANTS[name][3] for name in chosen)
        folder = free.get()
        if not passes(everything, folder, "-n", str(AT_ONCE)):
            sys.exit("the tests fail without any defect")
        free.put(folder)
        with ThreadPoolExecutor(AT_ONCE) as several:
            for name, survived, seconds in several.map(tried, chosen):
                alive += [name] * survived
                word = "SURVIVED" if survived else "noticed"
                print(f"{word:9} {seconds:5.1f} s  {name}", flush=True)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} defects noticed")
    sys.exit(bool(alive))


if __name__ == "__main__":
    main()
