"""Plays the steps of many histories, each in a process of its own.

One thread and no database connection: the processes are forks of this one.
"""

from __future__ import annotations

import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

#: Pauses between two steps, in seconds: often shorter than a request takes.
_PAUSES = (0.0, 0.0, 0.3, 1.0, 3.0)
#: How long a clerk waits for the outcome of what is on its way, in seconds.
_PATIENCE = (0.0, 1.0, 20.0, 20.0, 20.0)


@dataclass(frozen=True)
class Step:
    """One action. ``seed`` decides what; ``nonce`` is that of the confirmation page.

    ``patience``: seconds for which the clerk first waits until nothing is on its way.
    ``dies_after``: seconds after its start at which the process is killed;
    0: it is not.
    """

    history: int
    reference: str
    seed: str
    nonce: str
    patience: float
    dies_after: float


def fork(job: Callable[[], None], log: Path) -> int:
    """Runs ``job`` in a new process; returns its id. Its output is appended to ``log``.

    The caller has no threads and no open connections.
    """
    if pid := os.fork():
        return pid
    code = 1
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        job()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@dataclass
class Play:
    """One history. Its random generator decides its steps, the pauses and the kills."""

    number: int
    world: str
    reference: str
    terminal: str
    seed: str
    dice: random.Random
    steps: int
    next_at: float = 0.0
    taken: int = 0
    killed: int = 0
    running: list[int] = field(default_factory=list)
    repeat: Step | None = None

    @classmethod
    def of(cls, seed: str, of_world: int, world: str, number: int) -> Play:
        """``of_world`` counts the histories of the world: what is played in one world
        is played in each."""
        dice = random.Random(f"{seed}/{of_world}")
        capture = dice.choice(("manual", "manual", "automatic"))
        return cls(
            number,
            world,
            f"P-{number}",
            f"{world}-{capture}",
            f"{seed}/{of_world}",
            dice,
            steps=dice.randint(5, 10),
        )

    @property
    def is_over(self) -> bool:
        return self.taken >= self.steps and not self.running

    def next_steps(self) -> list[Step]:
        """One step; or the same from two windows, or two of two clerks."""
        self.taken += 1
        step, self.repeat = self.repeat or self._step("one"), None
        windows = self.dice.random()
        if windows < 0.15:
            return [step, step]
        return [step, self._step("other")] if windows < 0.3 else [step]

    def _step(self, clerk: str) -> Step:
        dies = self.dice.random() < 0.2
        return Step(
            self.number,
            self.reference,
            f"{self.seed}/{self.taken}/{clerk}",
            f"{self.number:08x}{self.dice.getrandbits(96):024x}",
            self.dice.choice(_PATIENCE),
            self.dice.uniform(0.005, 0.15) if dies else 0.0,
        )

    def start(self, results: Path, log: Path, now: float) -> None:
        from tests.histories.post_charge_steps import take

        for step in self.next_steps():
            self.running.append(fork(partial(take, step, results), log))
            if step.dies_after and self.dice.random() < 0.5:
                self.repeat = replace(step, dies_after=0.0)  # the page is sent again
        self.next_at = now + self.dice.choice(_PAUSES)

    def look_after(self) -> None:
        """Takes leave of the processes that have ended."""
        for process in list(self.running):
            pid, status = os.waitpid(process, os.WNOHANG)
            if pid:
                self.running.remove(pid)
                self.killed += os.WIFSIGNALED(status)


def play_all(
    plays: list[Play],
    results: Path,
    log: Path,
    at_once: int,
    *,
    before: Callable[[], None],
    kill: Callable[[], None],
    kill_every: float,
) -> None:
    """Charges all orders, calls ``before``, then takes all steps.

    ``kill`` is called about every ``kill_every`` seconds.
    """
    from django.db import connections

    from tests.histories.post_charge_steps import charge_all

    connections.close_all()
    orders = [(play.number, play.reference, play.terminal) for play in plays]
    _, status = os.waitpid(fork(partial(charge_all, orders), log), 0)
    if status:
        raise SystemExit(f"the orders were not charged: see {log}")
    before()
    waiting = list(reversed(plays))
    active: list[Play] = []
    next_kill = time.monotonic() + kill_every
    while waiting or active:
        now = time.monotonic()
        while waiting and len(active) < at_once:
            active.append(waiting.pop())
        for play in active:
            play.look_after()
            if not play.running and play.taken < play.steps and now >= play.next_at:
                play.start(results, log, now)
        active = [play for play in active if not play.is_over]
        if now >= next_kill:
            kill()
            next_kill = now + kill_every
        time.sleep(0.01)
