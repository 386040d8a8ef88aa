"""Runs the stages of ``.ci/run``: each is one command of make.

    python .ci/stages.py            what must pass before anything lands
    python .ci/stages.py --full     all there is, in full (make full)
    python .ci/stages.py --list     the commands

A stage writes to a file of its own; the file is printed when the stage fails. It is run
once more then: what fails twice is a defect, and the others are stopped. The last line
is then the command that failed. What fails once is named at the end as unsteady: a race
in a test or in the product, which somebody must find. ``LANES`` stages run at the same
time; one that uses all cores runs ``alone``.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: More than two cores: histories wait for their clocks, wheel and bridges for pip.
LANES = 3
FOLDER = Path(tempfile.mkdtemp(prefix="ci-"))
POSTGRES = os.environ.get("POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
MYSQL = os.environ.get("MYSQL_URL", "mysql://root@127.0.0.1:3306/test")
PYTHONS = os.environ.get("PYTHONS", "3.12 3.13").split()

#: The defects by which money would move twice, or a late answer would win.
FEW_MUTANTS = (
    "check then save",
    "a late answer overwrites",
    "a due charge has a reference of its own",
    "a cancel is sent twice",
)
#: What other Pythons and Djangos may do differently: forms, pages, SQL, HTTP, threads.
FEW_TESTS = """
    tests/api/test_orders.py tests/api/test_order_operations.py
    tests/api/test_requests.py tests/api/test_checkout.py
    tests/testing/test_pytest_plugin.py tests/flows/test_three_ds.py
    tests/flows/test_three_ds_return.py tests/flows/test_moto.py
    tests/admin/test_phone_orders.py tests/admin/test_orders.py
    tests/flows/test_capture_refund.py tests/flows/inquiry/test_unknown_outcomes.py
    tests/sealed_cards/test_sealed_cards.py tests/system/test_races.py
    tests/web/test_csp_nonce.py tests/models/test_db_transactions.py
    tests/system/test_cost.py tests/views/test_return_body.py tests/web/test_caching.py
    tests/web/test_static_files.py tests/hosts/test_four_projects.py
    tests/emails/test_automatic.py
"""


@dataclass(frozen=True)
class Stage:
    name: str
    command: str
    alone: bool = False
    #: Stages with the same lock do not run at the same time.
    lock: str = ""
    seconds: int = 1800


def make(target: str, **variables: str) -> str:
    words = [f"{name}={value}" for name, value in variables.items() if value]
    return shlex.join(["make", "-s", target, *words])


def suites(of_sqlite: str, of_postgres: str, of_mysql: str) -> list[Stage]:
    every = {"NO_SKIPS": "1", "WORKERS": "3"}
    return [
        Stage(
            "tests on SQLite",
            make("test", **every, COVERAGE="1", ARGS=of_sqlite),
            alone=True,
        ),
        Stage("tests in Chromium", make("browser", **every, ARGS="-q"), alone=True),
        Stage(
            "tests on PostgreSQL",
            make("test-postgres", **every, POSTGRES_URL=POSTGRES, ARGS=of_postgres),
            alone=True,
            seconds=3600,
        ),
        Stage(
            "tests on MariaDB",
            make("test-mysql", **every, MYSQL_URL=MYSQL, ARGS=of_mysql),
            alone=True,
            seconds=3600,
        ),
    ]


def singles(histories: int, after: int, stampede: int, fuzz: int) -> list[Stage]:
    """The longest first: they fill the lanes best."""
    many = {"N": str(histories)}
    demo = f"DATABASE_URL=sqlite:///{FOLDER}/demo.sqlite3 "
    long = 300 + 3 * histories
    return [
        Stage(
            "histories on PostgreSQL",
            make("histories", **many, SEED="2", DB=POSTGRES),
            lock="postgres",
            seconds=long,
        ),
        Stage(
            "histories on SQLite",
            make("histories", **many, SEED="1", ARGS="--world drawn"),
            seconds=long,
        ),
        Stage(
            "what follows a charge, in each world",
            make("histories", NAME="post_charge", N=str(after), SEED="1", DB=POSTGRES),
            seconds=300 + 60 * after,
        ),
        Stage(
            "days in each world, on a virtual clock",
            make("histories", NAME="virtual_time", N=str(histories // 30), SEED="1"),
            seconds=300 + 2 * histories,
        ),
        Stage("lint, types, layers", make("lint")),
        Stage("purchases in the shops of others", make("bridges"), seconds=600),
        Stage("the REST API keeps its description", make("fuzz", N=str(fuzz))),
        Stage(
            "everybody at once",
            make("histories", NAME="stampede", N=str(stampede), DB=POSTGRES),
            lock="postgres",
        ),
        Stage("the wheel, up to the first paid order", make("wheel-test"), seconds=400),
        Stage("the documentation builds", make("docs"), seconds=200),
        Stage("the demo sets itself up", demo + make("demo", ARGS="--no-serve")),
    ]


def database_faults(histories: int, after: int) -> list[Stage]:
    """Charges, and what follows them, while the database fails."""
    stages = []
    for name in (
        *("cut", "failover", "locked", "lock_timeout", "statement_timeout"),
        *("pgbouncer", "repeatable_read", "serializable"),
    ):
        fault = {"SEED": "1", "ARGS": f"--database {name}"}
        if name != "locked":  # of SQLite
            fault["DB"] = POSTGRES
        rest = {"NAME": "post_charge", "N": str(after), **fault}
        stages += [
            Stage(
                f"histories with the database fault {name}",
                make("histories", N=str(histories), **fault),
                seconds=300 + 3 * histories,
            ),
            Stage(
                f"what follows a charge with the database fault {name}",
                make("histories", **rest),
                seconds=300 + 60 * after,
            ),
        ]
    return stages


PACKAGES = Stage(
    "packages", "make -s .venv/dev .venv/mysql .venv-bridges/ready", alone=True
)
STAGES = [
    PACKAGES,
    *singles(histories=300, after=5, stampede=10, fuzz=40),
    *suites("-q", "-q -m database", "-q -m mariadb"),
    Stage(
        "known defects are noticed",
        make("mutants", ARGS=shlex.join(FEW_MUTANTS)),
        alone=True,
    ),
]
if PYTHONS:
    STAGES.append(
        Stage(
            "tests on other Pythons and Djangos",
            make(
                "matrix",
                PYTHONS=" ".join(PYTHONS),
                ARGS=" ".join(["-q -n 3 --dist worksteal", *FEW_TESTS.split()]),
            ),
            alone=True,
        )
    )

FULL = [
    PACKAGES,
    *singles(histories=1500, after=125, stampede=100, fuzz=300),
    Stage(
        "histories on MariaDB",
        make("histories", N="1500", SEED="3", DB=MYSQL),
        seconds=4800,
    ),
    *database_faults(histories=100, after=50),
    Stage(
        "pay day",
        make("histories", NAME="due_charges", DB=POSTGRES),
        lock="postgres",
        seconds=3600,
    ),
    *suites("-q --full", "-q", "-q"),
    Stage("known defects are noticed", make("mutants"), alone=True, seconds=7200),
    Stage("tests on each Python and Django", make("matrix"), alone=True, seconds=7200),
    Stage(
        "tests on the oldest of all that is promised",
        make("matrix", DJANGO="floors"),
        alone=True,
        seconds=3600,
    ),
]


@dataclass
class Running:
    stage: Stage
    log: Path
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)

    @property
    def took(self) -> float:
        return time.monotonic() - self.began

    def stop(self) -> None:
        """With all that it started."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
                self.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


class Run:
    """Of some stages, until they are done or one has failed."""

    def __init__(self, stages: list[Stage]) -> None:
        self.stages = stages
        self.waiting = list(stages)
        self.running: list[Running] = []
        self.begun = 0
        self.took: dict[str, str] = {}
        self.failed: Running | None = None
        #: stages that failed once
        self.unsteady: list[str] = []
        self.began = time.monotonic()

    def __call__(self) -> bool:
        signal.signal(signal.SIGTERM, _interrupted)
        try:
            while (self.waiting or self.running) and not self.failed:
                self._begin()
                time.sleep(0.2)
                for one in list(self.running):
                    self._look_at(one)
        finally:
            for one in self.running:
                one.stop()
                self.took[one.stage.name] = f"{one.took:6.0f} s  stopped"
            if self.failed:
                print(f"\n-- the output of: {self.failed.stage.name}")
                print(read(self.failed.log).rstrip())
            self._report()
        return self.failed is None

    def _begin(self) -> None:
        """In the order of the list: what runs alone parts those before from those after."""
        alone = [one.alone for one in [*self.waiting, PACKAGES]].index(True)
        for stage in self.waiting[: alone or 1]:
            if not free(stage, self.running):
                continue
            self.waiting.remove(stage)
            self.begun += 1
            log = FOLDER / f"{self.begun:02}.log"
            with log.open("wb") as file:
                process = subprocess.Popen(
                    ["bash", "-c", stage.command],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            print(f"-- {stage.name}: {stage.command}", flush=True)
            self.running.append(Running(stage, log, process))

    def _look_at(self, one: Running) -> None:
        late = one.took > one.stage.seconds
        if one.process.poll() is None and not late:
            return
        self.running.remove(one)
        took = f"{one.took:6.0f} s"
        if late or one.process.returncode:
            one.stop()
            why = f"took more than {one.stage.seconds} s" if late else "FAILED"
            took = f"{took}  {why}"
            if one.stage.name in self.unsteady:
                self.failed = one
            else:
                self._repeat(one)
        else:
            print(f"== {took}  {one.stage.name}: {last_word(one.log)}", flush=True)
        self.took[one.stage.name] = took

    def _repeat(self, one: Running) -> None:
        print(f"\n-- failed once, and is repeated: {one.stage.name}")
        print(read(one.log).rstrip(), flush=True)
        self.unsteady.append(one.stage.name)
        self.waiting.insert(0, one.stage)

    def _report(self) -> None:
        print()
        for stage in self.stages:
            print(f"{self.took.get(stage.name, '       -  not run'):20} {stage.name}")
        total = time.monotonic() - self.began
        print(f"{total:6.0f} s             together", flush=True)


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def free(stage: Stage, running: list[Running]) -> bool:
    """Whether it may begin beside those that run."""
    if not running:
        return True
    if stage.alone or any(one.stage.alone for one in running):
        return False
    locks = {one.stage.lock for one in running} - {""}
    return len(running) < LANES and stage.lock not in locks


def read(log: Path) -> str:
    return log.read_text(errors="replace")


def last_word(log: Path) -> str:
    """What pytest said last, or else the last line."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", read(log))
    lines = [line for line in plain.splitlines() if line.strip()]
    counted = [line for line in lines if re.search(r"\b\d+ (tests|passed)\b", line)]
    return ", ".join(counted[-2:] or lines[-1:])


def main(arguments: list[str]) -> int:
    stages = FULL if "--full" in arguments else STAGES
    if "--list" in arguments:
        print(*(f"{one.name}: {one.command}" for one in stages), sep="\n")
        return 0
    run = Run(stages)
    passed = run()
    for version in sorted({"3.12", "3.13"} - set(PYTHONS)):
        print(f"!! NOT TESTED on Python {version}: neither here nor to be had from apt")
    for name in run.unsteady:
        print(f"!! UNSTEADY: {name} failed once; its output is above")
    if run.failed:
        print(f"the output of the others is in {FOLDER}")
        print(run.failed.stage.command, flush=True)
    else:
        print(f"stages: {len(stages)} passed, 0 failed")
    return not passed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
