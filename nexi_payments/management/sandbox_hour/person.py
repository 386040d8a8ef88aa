"""Asks the person at the keyboard. Answers are choices or short names, never texts:
so none can hold a card number, a token or an address."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_NAMES: Final = re.compile(r"[A-Za-z_]{1,24}(,[A-Za-z_]{1,24}){0,9}", re.ASCII)


class Person:
    """``ask`` shows a prompt and returns a line, ``say`` shows a line."""

    def __init__(self, ask: Callable[[str], str], say: Callable[[str], object]) -> None:
        self._ask = ask
        self.say = say

    def wait(self, text: str) -> None:
        """Until the person has done what ``text`` says."""
        self._ask(f"{text}\n  Press Enter when it is done: ")

    def choose(self, question: str, *choices: str) -> str:
        prompt = f"{question} [{'/'.join(choices)}] "
        while (answer := self._ask(prompt).strip().lower()) not in choices:
            self.say("  Please answer one of: " + ", ".join(choices))
        return answer

    def names(self, question: str) -> list[str]:
        """Names without their values, sorted; an empty list for none."""
        prompt = f"{question} (names only, with commas; Enter for none) "
        while answer := self._ask(prompt).replace(" ", ""):
            if _NAMES.fullmatch(answer):
                return sorted(answer.split(","))
            self.say("  Only names, of letters and _. No values.")
        return []
