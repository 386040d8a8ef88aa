"""The commands: those that workflows, comments and ``.ci/run`` name are there."""

from __future__ import annotations

import configparser
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.M))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
CODE = (".ci", "benchmarks", "demo_shop", "docs", "nexi_payments", "tests")
#: What names commands beside the pages, which tests/docs/test_snippets.py reads.
FILES = [
    *sorted((ROOT / ".github").glob("**/*.*")),
    *(path for folder in CODE for path in sorted((ROOT / folder).glob("**/*.py"))),
]
COMMAND = re.compile(r"(?:`|run: )make ([a-z][a-z-]*)")
STAGES = runpy.run_path(str(ROOT / ".ci/stages.py"))

pytestmark = pytest.mark.seen_on("sqlite")


def test_help_lists_every_target_in_its_group() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True)
    listed = re.findall(r"^  ([a-z-]+) ", done.stdout, re.M)
    assert sorted(listed) == sorted(TARGETS)
    phony = MAKEFILE.split(".PHONY: ")[1].splitlines()[0].split()
    assert sorted(phony) == sorted(TARGETS)
    groups = re.findall(r"^([A-Z][a-z ]+)$", done.stdout, re.M)
    assert groups[:3] == ["Use", "Test", "Check"]
    assert len(groups) == 7


def test_every_target_is_explained_to_contributors() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    explained = re.findall(r"^\| `make ([a-z-]+)[^|]*\| [^|]*\w", page, re.M)
    explained += re.findall(r"^\| .*?, `make ([a-z-]+)[^|]*\| [^|]*\w", page, re.M)
    assert set(explained) == TARGETS


def test_the_commands_that_workflows_and_comments_name_exist() -> None:
    named: dict[str, set[str]] = {}
    for path in FILES:
        for target in COMMAND.findall(path.read_text()):
            named.setdefault(target, set()).add(str(path.relative_to(ROOT)))
    assert {"lint", "matrix", "bench", "bridges"} <= set(named)
    assert {target: named[target] for target in set(named) - TARGETS} == {}


@pytest.mark.parametrize("kind", ["STAGES", "FULL"])
def test_each_stage_is_one_command_of_make(kind: str) -> None:
    names = [stage.name for stage in STAGES[kind]]
    assert len(names) == len(set(names))
    for stage in STAGES[kind]:
        words = [one for one in shlex.split(stage.command) if "=" not in one]
        assert words[:2] == ["make", "-s"], stage.command
        for target in words[2:]:
            file = target.replace(".venv", "$(VENV)")
            assert target in TARGETS or f"\n{file}: " in MAKEFILE, stage.command


def test_what_must_always_run_does() -> None:
    commands = "\n".join(stage.command for stage in STAGES["STAGES"])
    assert commands.count("make -s histories N=300") == 2
    for word in ("NAME=stampede", "make -s fuzz", "NO_SKIPS=1"):
        assert word in commands
    for target in ("test", "test-postgres", "test-mysql", "browser"):
        assert f"make -s {target} NO_SKIPS=1" in commands
    known = runpy.run_path(str(ROOT / ".ci/mutants.py"))["MUTANTS"]
    assert set(STAGES["FEW_MUTANTS"]) <= set(known)
    assert all((ROOT / one).is_file() for one in STAGES["FEW_TESTS"].split())


def stages(code: str) -> subprocess.CompletedProcess[str]:
    """``.ci/stages.py`` with stages of our own."""
    lines = [
        "import runpy, sys",
        "ci = runpy.run_path('.ci/stages.py')",
        "Stage, lists = ci['Stage'], ci['STAGES']",
        f"lists[:] = [{code}]",
        "sys.exit(ci['main']([]))",
    ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_a_failed_stage_ends_the_run_with_its_command() -> None:
    done = stages(
        "Stage('good', 'echo 3 passed'), Stage('slow', 'echo unheard; sleep 600'),"
        " Stage('bad', 'echo the reason; exit 3'), Stage('alone', 'true', alone=True)"
    )
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[-1] == "echo the reason; exit 3"
    assert "the reason" in lines
    assert "unheard" not in lines
    table = {line.split()[-1]: " ".join(line.split()[:-1]) for line in lines[-7:-2]}
    assert re.fullmatch(r"\d+ s stopped", table["slow"])
    assert re.fullmatch(r"\d+ s FAILED", table["bad"])
    assert table["alone"] == "- not run"


def test_a_stage_that_hangs_fails() -> None:
    done = stages("Stage('hangs', 'sleep 600', seconds=1)")
    assert done.returncode == 1
    assert "took more than 1 s hangs" in re.sub(" +", " ", done.stdout)
    assert done.stdout.splitlines()[-1] == "sleep 600"


def test_stages_in_order_with_their_times() -> None:
    done = stages(
        "Stage('first', 'echo 1; sleep 1', alone=True), Stage('a', 'echo a', lock='x'),"
        " Stage('b', 'echo 7 passed; echo rest', lock='x'),"
        " Stage('last', 'echo 2', alone=True)"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [re.sub(r" +", " ", line) for line in done.stdout.splitlines()]
    begun = [line for line in lines if line.startswith(("--", "=="))]
    order = [one.replace(":", " ").split() for one in begun]
    names = [(words[0], words[1 if words[0] == "--" else 3]) for words in order]
    for one, after in [("first", "a"), ("a", "b"), ("b", "last")]:
        assert names.index(("==", one)) < names.index(("--", after))
    assert any(line.endswith("b: 7 passed") for line in lines)
    assert lines[-1] == "stages: 4 passed, 0 failed"


# -- the workflows ---------------------------------------------------------------------


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_no_more_than_it_needs(path: Path) -> None:
    flow = read(path)
    assert flow["permissions"] == {"contents": "read"}
    assert flow["concurrency"]["group"]
    for name, job in flow["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 45, name
        allowed = job.get("permissions", {})
        assert set(allowed) <= {"id-token", "pages"}, name
        # who may write here does so in an environment, which asks for a person's word
        assert not allowed or job["environment"]["name"], name
        for step in job["steps"]:
            uses = step.get("uses", "@" + "0" * 40)
            assert re.fullmatch(r"[\w./-]*@[0-9a-f]{40}", uses), uses
            if "/checkout@" in uses:
                assert step["with"]["persist-credentials"] is False
            assert "${{" not in step.get("run", ""), step
    assert "secrets." not in path.read_text()
    # each pin says which release it is
    pins = re.findall(r"uses: \S+@[0-9a-f]{40}(.*)", path.read_text())
    assert all(re.fullmatch(r" # v\d+\.\d+\.\d+", one) for one in pins)


def test_ci_runs_all_that_the_package_promises() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    promised = setup["metadata"]["classifiers"]
    matrix = read(ROOT / ".github/workflows/ci.yml")["jobs"]["tests"]["strategy"][
        "matrix"
    ]
    assert matrix["python"] == re.findall(r":: Python :: (3\.\d+)", promised)
    assert matrix["django"] == re.findall(r":: Django :: (\d\.\d)", promised)
    assert matrix["database"] == ["SQLite", "PostgreSQL", "MariaDB"]
    # nothing is left out but what Django itself does not run on
    assert matrix["exclude"] == [
        {"python": "3.11", "django": "6.0"},
        {"python": "3.11", "django": "6.1"},
    ]
    pairs = runpy.run_path(str(ROOT / ".ci/matrix.py"))["PAIRS"]
    assert list(pairs) == matrix["python"]
    assert list(pairs.values()) == matrix["django"]


def test_the_floors_are_those_of_setup_cfg() -> None:
    floors = runpy.run_path(str(ROOT / ".ci/floors.py"))["floors"]()
    assert "requests==2.33.1" in floors
    assert "Django==5.2.19" in floors
    assert "celery==5.4" in floors
    assert not [one for one in floors if one.startswith(("django-oscar", "tzdata"))]


def test_every_benchmark_has_a_name() -> None:
    names = runpy.run_path(str(ROOT / "benchmarks/__main__.py"))["NAMES"]
    for module, _ in names.values():
        path = ROOT / "benchmarks" / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    for text in (ROOT / "docs").glob("*.md"):
        for name in re.findall(r"make bench NAME=(\w+)", text.read_text()):
            assert name in {*names, "list"}, text
