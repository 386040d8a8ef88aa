"""A failing test prints the command that repeats it."""

from __future__ import annotations

import os
import random
import shlex
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """One seed for all examples of a run, another for each run: it can be named."""
    if getattr(config.option, "hypothesis_seed", "") is None:
        config.option.hypothesis_seed = str(random.randrange(2**32))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.failed:
        report.sections.append(("To repeat it", command(item)))
    return report


def command(item: pytest.Item) -> str:
    arguments = [item.nodeid]
    seed = getattr(item.config.option, "hypothesis_seed", None)
    if seed is not None and _takes_chances(item):
        arguments.append(f"--hypothesis-seed={seed}")
    if examples := getattr(item.config.option, "examples", None):
        arguments.append(f"--examples={examples}")
    if getattr(item.config.option, "full", False):
        arguments.append("--full")
    # make doubles the dollar, its shell takes the quotes away
    words = shlex.join(arguments).replace("$", "$$")
    before = ""
    if url := os.environ.get("DATABASE_URL"):
        before = f"DATABASE_URL={shlex.quote(_without_password(url))} "
    return f"{before}make test ARGS={shlex.quote(words)}"


def _takes_chances(item: pytest.Item) -> bool:
    """Whether its module imports something of Hypothesis."""
    known = vars(getattr(item, "module", None) or object).values()
    modules = (getattr(one, "__module__", None) for one in known)
    return any(str(name).partition(".")[0] == "hypothesis" for name in modules)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host))
