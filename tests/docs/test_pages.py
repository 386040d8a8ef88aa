"""Nothing is missing from the pages; what is made from the code is as the code is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tables
from django.urls import get_resolver

from nexi_payments import exceptions, flows, signals
from nexi_payments.conf import settings as conf
from nexi_payments.conf import terminals
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.flows.inquiry.reading import vocabulary
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS
from tests.support import doc_pages


@pytest.mark.parametrize("path", tables.pages(), ids=lambda path: path.name)
def test_the_tables_are_what_the_code_says(path) -> None:
    text = path.read_text()
    assert tables.filled(text) == text, "run: make docs"


def test_every_table_has_its_place() -> None:
    places = [
        found[2]
        for path in tables.pages()
        for found in tables.PLACE.finditer(path.read_text())
    ]
    assert sorted(places) == sorted(tables.MAKERS)


def test_every_setting() -> None:
    for name in (*conf._KEYS, *terminals.TERMINAL_KEYS):
        assert f"| `{name}` |" in doc_pages.page_text("settings.md"), name


def test_every_state_and_outcome() -> None:
    text = doc_pages.page_text("states.md")
    for word in (*OrderState.values, *OperationOutcome.values):
        assert f"`{word}`" in text, word


def test_the_words_of_a_listed_operation() -> None:
    """The columns are the types of each role; the rows are all results we know."""
    text = doc_pages.page_text("states.md")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()]
    head = next(row for row in rows if row[:2] == ["result", "`AUTHORIZATION`"])
    for cell, role in zip(head[1:], vocabulary.Role, strict=True):
        for type_ in re.findall(r"`(\w+)`", cell):
            entry = OperationResult(type=type_)
            assert vocabulary.role_of(entry) is role
    first = rows.index(head) + 2
    shown = {row[0].strip("`") for row in rows[first : first + 17]}
    assert shown == {
        *result_codes.IN_PROGRESS,
        *result_codes.CHARGED,
        *result_codes.UNSUCCESSFUL,
        *result_codes.REVERSED,
        "any other",
    }


def test_every_signal() -> None:
    names = [n for n, value in vars(signals).items() if hasattr(value, "receivers")]
    assert len(names) == 15
    for name in names:
        assert f"| `{name}` |" in doc_pages.page_text("signals.md"), name


def test_every_exception() -> None:
    for name, value in vars(exceptions).items():
        if isinstance(value, type) and issubclass(value, exceptions.NexiPaymentsError):
            assert f"* `{name}`: " in doc_pages.page_text("exceptions.md"), name


def test_the_flows_that_raise_a_gateway_error_are_named() -> None:
    raising = {"close_day"}  # as ``compare_day``, says its docstring
    raising |= {
        name
        for name in flows.__all__
        if re.search(r"``GatewayError``", getattr(flows, name).__doc__ or "")
    }
    last = doc_pages.page_text("exceptions.md").rpartition("raise it")[2]
    assert set(re.findall(r"`(\w+)`", last)) == raising


def test_every_flow() -> None:
    for name in flows.__all__:
        assert f"nexi_payments.flows.{name}\n" in doc_pages.page_text("reference.md"), (
            name
        )


def test_every_url_name() -> None:
    resolver = dict(get_resolver().namespace_dict)["nexi_payments"][1]
    names = {str(name) for name in resolver.reverse_dict if isinstance(name, str)}
    assert len(names) >= 6
    for name in names:
        assert f"| `nexi_payments:{name}` |" in doc_pages.page_text("reference.md"), (
            name
        )


def test_every_permission() -> None:
    for name, _ in PaymentOrder._meta.permissions:
        assert f"| `nexi_payments.{name}` |" in doc_pages.page_text("reference.md"), (
            name
        )


def test_every_command() -> None:
    assert len(tables.command_names()) >= 5
    for name in tables.command_names():
        assert f"### {name}\n" in doc_pages.page_text("commands.md"), name


def test_every_test_card() -> None:
    text = doc_pages.page_text("test-cards.md").replace(" ", "")
    for card in TEST_CARDS:
        assert f"|`{card.number}`|{card.brand}|{card.expiry}|{card.cvv}|" in text


def test_every_template_and_its_blocks() -> None:
    root = tables.PACKAGE / "templates" / "nexi_payments"
    rows = dict(
        re.findall(
            r"^\| `([\w/]+\.\w+)` \|(.*)$", doc_pages.page_text("templates.md"), re.M
        )
    )
    assert set(rows) == {str(p.relative_to(root)) for p in root.rglob("*.*")}
    for name, row in rows.items():
        for block in re.findall(r"\{% block ([\w-]+) %\}", (root / name).read_text()):
            assert f"`{block}`" in row, (name, block)


def test_every_page_is_in_the_contents() -> None:
    contents = re.findall(r"^([\w./-]+)$", doc_pages.page_text("index.md"), re.M)
    there = {
        name.removesuffix(".md")
        for name in map(str, site_pages())
        if not re.match(r"decisions/0", name)
    }
    assert sorted(contents) == sorted(there - {"index"})


def test_the_contents_have_four_groups() -> None:
    captions = re.findall(r"^:caption: (.+)$", doc_pages.page_text("index.md"), re.M)
    assert captions == ["Tutorial", "How-to guides", "Reference", "Explanation"]


def test_every_page_says_first_who_needs_it() -> None:
    """ "For shop developers: …". Records of decisions and pages of other files have
    their own form."""
    asked = 0
    for path in site_pages():
        text = doc_pages.page_text(str(path))
        if path.name[0] == "0" or str(path) == "index.md" or "```{include}" in text:
            continue
        paragraphs = text.split("\n\n")[1:]
        if re.fullmatch(r"\*\[.+\]\(.+\)\*", paragraphs[0]):
            del paragraphs[0]  # the same page in another language
        assert paragraphs[0].startswith(("For ", "Per ")), path
        asked += 1
    assert asked >= 45


def site_pages() -> list[Path]:
    """Paths below docs/."""
    return [path.relative_to(doc_pages.DOCS) for path in tables.pages()]


@pytest.mark.parametrize(
    ("page", "at_least"),
    [("security.md", 100), ("pci.md", 30), ("host_parts.md", 1)],
)
def test_every_test_that_a_page_names_exists(page: str, at_least: int) -> None:
    named = re.findall(r"`([\w/]+\.py)(?:::(test_\w+))?`", doc_pages.page_text(page))
    assert len(named) >= at_least
    for file, test in named:
        text = (doc_pages.ROOT / "tests" / file).read_text()
        assert (f"def {test}(" if test else "def test_") in text, (file, test)


@pytest.mark.django_db(transaction=True)
def test_the_headers_that_an_auditor_is_told(
    order: PaymentOrder, client, change_settings
) -> None:
    change_settings(PUBLIC_URL="https://127.0.0.1:8000")
    block = next(
        one
        for one in doc_pages.blocks(doc_pages.DOCS / "pci.md")
        if one.source.startswith("Content-Security-Policy")
    )
    told = re.sub(r"\n +", " ", block.source).strip().splitlines()
    answer = client.get(order.page_url())
    assert len(told) == 7
    for line in told:
        name, _, value = line.partition(": ")
        assert answer[name] == value, name


def test_what_is_to_be_installed_is_this_package() -> None:
    setup = (doc_pages.ROOT / "setup.cfg").read_text()
    name = re.findall(r"^name = (.+)$", setup, re.M)[0]
    extras = setup.split("[options.extras_require]")[1].split("\n[")[0]
    for path in doc_pages.pages():
        for package, extra in re.findall(
            r"pip install \"?([\w-]*nexi[\w-]*)(?:\[(\w+)\])?", path.read_text()
        ):
            assert package == name, path.name
            assert not extra or f"\n{extra} =" in extras, path.name
