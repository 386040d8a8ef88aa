"""Each decision record has the form, a number of its own and a line in the index."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from tests.support import doc_pages

FOLDER = doc_pages.DOCS / "decisions"
RECORDS = sorted(FOLDER.glob("0*.md"))
HEAD = re.compile(
    r"# (?P<number>\d+)\. (?P<title>\S.*)\n\n"
    r"Date: (?P<date>\d{4}-\d\d-\d\d)\. Status: (?P<status>accepted|"
    r"(?:changed|superseded) by \[decision (?P<later>\d+)\]\((?P<file>\S+)\))\.\n\n"
    r"(?=\*\*Context\.\*\* )"
)
PARTS = ["Context", "Decision", "Consequences", "Refused"]


def number_in_name(name: str) -> int:
    return int(name.partition("-")[0])


def head(path: Path) -> re.Match[str]:
    found = HEAD.match(path.read_text())
    assert found is not None, path.name
    return found


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_the_form(path: Path) -> None:
    found = head(path)
    assert int(found["number"]) == number_in_name(path.name)
    assert date.fromisoformat(found["date"])
    text = path.read_text()
    assert re.findall(r"^\*\*(\w+)\.\*\*\s+\S", text, re.M) == PARTS


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_the_status_names_a_later_record_that_is_there(path: Path) -> None:
    found = head(path)
    if found["later"] is not None:
        assert (FOLDER / found["file"]).is_file()
        assert number_in_name(found["file"]) == int(found["later"])
        assert int(found["later"]) > int(found["number"])


def test_numbers_and_dates_go_up_without_a_gap() -> None:
    heads = [head(path) for path in RECORDS]
    assert [int(one["number"]) for one in heads] == [*range(1, len(RECORDS) + 1)]
    assert len(heads) >= 36
    dates = [one["date"] for one in heads]
    assert dates == sorted(dates)


def test_the_index_lists_each_record_by_its_title() -> None:
    index = (FOLDER / "index.md").read_text()
    listed = re.findall(r"^\* \[(.+)\]\((\S+)\)$", index, re.M)
    assert listed == [
        (f"{head(path)['number']}. {head(path)['title']}", path.name)
        for path in RECORDS
    ]
