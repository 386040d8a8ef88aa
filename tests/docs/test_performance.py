"""The tables of what a payment costs are those of the run that is kept."""

from __future__ import annotations

from benchmarks.payment import report


def test_the_tables_are_those_of_the_results() -> None:
    page = report.PAGE.read_text()
    assert report.fill_page(page) == page


def test_every_result_is_on_the_page() -> None:
    names = {match[2] for match in report.PLACEHOLDER.finditer(report.PAGE.read_text())}
    assert names == set(report.TABLES)
