"""The names of worlds and mixtures, and receivers that do the same again."""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any

import pytest

from nexi_payments.simulator.worlds import BackOffice, Forgetful, Lagging
from tests.histories import odd_receivers, worlds

pytestmark = pytest.mark.seen_on("sqlite")


def test_a_mixture_has_one_name() -> None:
    assert worlds.parse("backoffice,lagging") == "lagging+backoffice"
    assert worlds.parse("lagging+backoffice") == "lagging+backoffice"
    with pytest.raises(argparse.ArgumentTypeError, match="no world 'slow'"):
        worlds.parse("lagging,slow")


def test_a_seed_draws_the_same_mixtures() -> None:
    drawn = worlds.draw("7", 5)
    assert worlds.draw("7", 5) == drawn
    assert worlds.draw("8", 5) != drawn
    assert len(set(drawn)) == 5
    assert all(2 <= len(worlds.parts(one)) <= 4 for one in drawn)
    assert not [one for one in drawn if worlds.PLAIN in worlds.parts(one)]


def test_the_times_of_a_mixture_are_scaled() -> None:
    """ "late" is what the proxy does."""
    assert worlds.scaled("lagging+forgetful+late+backoffice", settle=9) == (
        Lagging(0.01, 0.3),
        Forgetful(4.5),
        BackOffice(),
    )
    assert worlds.scaled(worlds.PLAIN) == ()


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("twice", True),
        ("lagging+twice", True),
        ("forgetful+late", True),
        ("forgetful", False),
        ("late+pending", False),
    ],
)
def test_where_a_repetition_may_be_executed_twice(name: str, may: bool) -> None:
    assert worlds.may_execute_twice(name) is may


def outcome(seed: str, attempts: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the receiver of an event does; "" if it does nothing odd."""
    monkeypatch.setenv("HISTORIES_RECEIVERS", seed)
    order: Any = SimpleNamespace(reference="R-1")
    event = SimpleNamespace(kind="failed", attempts=attempts)
    try:
        odd_receivers.receive(None, order, event)
    except BaseException as error:
        return type(error).__name__
    return ""


def test_receivers_do_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(odd_receivers, "wait", waits.append)
    seeds = [str(number) for number in range(200)]
    found = [outcome(seed, 0, monkeypatch) for seed in seeds]
    assert found == [outcome(seed, 0, monkeypatch) for seed in seeds]
    assert set(found) == {"", "RuntimeError", "SystemExit"}
    assert set(waits) == {0.4, 4.0}
    # whatever it did twice, then it is done with
    assert {outcome(seed, 2, monkeypatch) for seed in seeds} == {""}
