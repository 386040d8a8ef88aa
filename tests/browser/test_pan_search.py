"""The rule for card numbers in the browser is the one on the server: the same texts,
the same answers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import nexi_payments
from nexi_payments.pan_scanner import MAX_TEXT_LENGTH, contains_card_number
from tests.support.pan_corpus import WITH_CARD_NUMBER, WITHOUT_CARD_NUMBER

SCRIPT = Path(nexi_payments.__file__).parent / "static/nexi_payments/search.js"
FORM = '<form><input name="q"></form>'
#: Submits each text; whether it was kept back, and the field emptied.
SUBMIT = """texts => texts.map(text => {
  const field = document.querySelector("input");
  field.value = text;
  const event = new Event("submit", {bubbles: true, cancelable: true});
  document.querySelector("form").dispatchEvent(event);
  return event.defaultPrevented && field.value === "";
})"""
#: What random texts are made of: parts that the rule treats differently.
PARTS = (
    *("4349", "9401", "9900", "4549", "434994", "0199004549", "5186151650005008", "4"),
    *("3782", "822463", "10005", "12", "30", "1230", "396", "2026", "11", "3056", "00"),
    *("30569309025904", "6011111111111117", "abc", "é", "exp", "a716", "IT60", "T"),
    *(" ", " ", "-", "-", "/", ":", ".", ", ", "+", "_", "\u00a0", "\u200b", "    "),
    *("12304349", "x", " --- ", "&nbsp;", "%20", "<b>", "</b>", "\u56db", "\u2488"),
    *("6892", "59111", "302-", "1234567", "3600", "78", "6", "45491", ",", ", ", " / "),
    *("\u0664", "\uff14", "\u2776", "\u1369", "\u00bd", "\u0301", "\U0001f4b3", "+39 "),
)


@pytest.fixture
def refused(chromium: Any) -> Any:
    """``refused(texts)``: those that the script keeps back."""
    page = chromium.new_page()
    page.set_content(FORM)
    page.add_script_tag(content=SCRIPT.read_text())

    def ask(texts: list[str]) -> list[str]:
        answers = page.evaluate(SUBMIT, texts)
        return [text for text, kept in zip(texts, answers, strict=True) if kept]

    yield ask
    page.close()


def test_every_disguise_stays_in_the_browser(refused: Any) -> None:
    texts = [entry.text for entry in WITH_CARD_NUMBER.texts]
    kept = set(refused(texts))
    assert [ascii(text) for text in texts if text not in kept] == []


def test_innocents_are_searched_for(refused: Any) -> None:
    assert refused([entry.text for entry in WITHOUT_CARD_NUMBER.texts]) == []


def test_random_texts_are_judged_as_on_the_server(refused: Any) -> None:
    chance = random.Random(29)
    texts = [
        "".join(chance.choices(PARTS, k=chance.randint(3, 14))) for _ in range(5_000)
    ]
    here = [text for text in texts if contains_card_number(text)]
    assert 200 < len(here) < 4_000  # both answers are tried
    assert set(map(ascii, refused(texts))) ^ set(map(ascii, here)) == set()


def test_a_text_that_is_too_long_is_not_searched_for(refused: Any) -> None:
    texts = ["a" * MAX_TEXT_LENGTH, "a" * (MAX_TEXT_LENGTH + 1)]
    assert refused(texts) == texts[1:]
