"""Documentation that breaks the build when it lies."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from nexi_payments import enums, signals
from nexi_payments.conf import settings as conf_settings
from nexi_payments.conf import terminals as conf_terminals
from nexi_payments.enums import DiscrepancyKind, OrderState

ROOT = Path(__file__).resolve().parents[2]


def test_the_state_diagram_is_the_table() -> None:
    page = (ROOT / "docs" / "states.md").read_text()
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", page, re.MULTILINE))
    table = {(a, b) for a, to in enums.TRANSITIONS.items() for b in to}
    assert drawn == table
    for state in OrderState.values:
        assert f"`{state}`" in page


def settings_table(heading: str) -> dict[str, str]:
    """key → default, as docs/settings.md has them under this heading."""
    page = (ROOT / "docs" / "settings.md").read_text()
    part = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([A-Z_0-9]+)` \| (.*?) ?\| .*\w.* \|$", part, re.M))


@pytest.mark.parametrize(
    ("heading", "keys", "defaults"),
    [
        (
            "A terminal",
            conf_terminals.TERMINAL_KEYS,
            conf_terminals.Terminal(name="", api_key="", environment="", base_url=""),
        ),
        (
            "Other settings",
            conf_settings._KEYS,
            conf_settings.Settings(terminals={}),
        ),
    ],
    ids=["terminal", "settings"],
)
def test_every_setting_is_documented_with_its_default(
    heading: str, keys: list[str], defaults: object
) -> None:
    table = settings_table(heading)
    assert sorted(table) == sorted(keys)
    for key, default in table.items():
        value = getattr(defaults, key.lower(), None)
        if default:
            assert default == f"`{value}`", key
        else:
            # nothing, or a list that the words explain
            assert not value or not isinstance(value, bool | int | float | str), key


def test_every_command_is_documented_with_its_options() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    parts = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.M | re.S))
    folder = ROOT / "nexi_payments" / "management" / "commands"
    commands = {
        path.stem: path.read_text()
        for path in folder.glob("*.py")
        if not path.stem.startswith("_")
    }
    assert sorted(parts) == sorted(commands)
    for name, source in commands.items():
        help_text = parts[name].strip().partition("\n")[0]
        assert len(help_text) > 20, name
        options = set(re.findall(r'"(--[a-z-]+)"', source))
        assert options <= set(re.findall(r"`(--[a-z-]+)`", parts[name])), name


def test_every_signal_of_the_contract_is_there() -> None:
    for name in (
        "payment_paid",
        "payment_authorized",
        "payment_failed",
        "payment_refunded",
        "payment_voided",
        "payment_needs_review",
        "payment_duplicate",
        "discrepancy_found",
    ):
        assert hasattr(signals, name)


def test_no_module_is_too_long_and_most_are_short() -> None:
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for folder in ("nexi_payments", "demo_shop")
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts
    }
    assert {name: count for name, count in lines.items() if count > 450} == {}
    over = [name for name, count in lines.items() if count > 300]
    assert len(over) <= len(lines) // 20, over


def test_every_kind_of_discrepancy_is_explained_and_nothing_else() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    table = page.partition("\n## Discrepancies\n")[2].partition("\n## ")[0]
    explained = re.findall(r"^\| `([a-z0-9_]+)` \|", table, re.MULTILINE)
    assert len(explained) >= 12
    assert explained == DiscrepancyKind.values


def test_the_flows_record_each_kind_of_discrepancy_and_no_other() -> None:
    flows = (ROOT / "nexi_payments" / "flows").rglob("*.py")
    code = "".join(path.read_text() for path in flows)
    names = set(re.findall(r"DiscrepancyKind\.([A-Z0-9_]+)", code))
    kinds = {DiscrepancyKind[name].value for name in names}
    # an order goes to review with a discrepancy of the same name
    reasons = set(
        re.findall(r"(?:_review|_move_to_review)\([^)]*?Reason\.([A-Z_]+)", code)
    )
    kinds |= {enums.Reason[name].value for name in reasons}
    # as text, past the enumeration
    kinds |= set(re.findall(r'\brecord\(\s*\w+,\s*"([a-z0-9_]+)"', code))
    kinds |= set(re.findall(r'(?:disagreement|discrepancy) ?= ?\(\s*"(\w+)"', code))
    assert kinds == set(DiscrepancyKind.values)


def test_every_check_is_explained_and_nothing_else() -> None:
    checks = (ROOT / "nexi_payments" / "checks").glob("*.py")
    written = "".join(path.read_text() for path in checks)
    page = (ROOT / "docs" / "checks.md").read_text()
    ids = r"nexi_payments\.[EW]\d{3}"
    assert set(re.findall(ids, written)) == set(re.findall(ids, page))


def blocks_of_architecture() -> list[list[str]]:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    blocks = re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [
        [row for line in one.splitlines() if (row := line.partition("#")[0].rstrip())]
        for one in blocks
    ]


def test_the_layers_are_those_that_are_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    checked = [one["layers"] for one in contracts if one["type"] == "layers"]
    assert blocks_of_architecture()[:3] == checked


def test_the_tree_is_the_package() -> None:
    rows = blocks_of_architecture()[3]
    package = " ".join(rows[1 : rows.index("demo_shop/ templates/")])
    listed: set[str] = set()
    folder = ""
    for word in package.split():
        if word.endswith("/"):
            folder = word
        else:
            listed.add(f"{folder}{word}.py")
    root = ROOT / "nexi_payments"
    there = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if not path.name.startswith("__")
        and not {"management", "migrations"} & set(path.relative_to(root).parts)
    }
    assert listed == there
