"""Documentation that breaks the build when it lies."""

from __future__ import annotations

import re
from pathlib import Path

from nexi_payments import signals, states
from nexi_payments.conf import settings as conf_settings
from nexi_payments.conf import terminals as conf_terminals

ROOT = Path(__file__).resolve().parent.parent


def test_the_state_diagram_is_the_table() -> None:
    page = (ROOT / "docs" / "states.md").read_text()
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", page, re.MULTILINE))
    table = {(a, b) for a, to in states.TRANSITIONS.items() for b in to}
    assert drawn == table
    for state in states.STATES:
        assert f"`{state}`" in page


def test_every_setting_is_in_the_readme() -> None:
    page = (ROOT / "README.md").read_text()
    for name in (*conf_settings._SETTINGS, *conf_terminals.KEYS):
        assert f"`{name}`" in page, name


def test_the_defaults_in_the_readme_are_true() -> None:
    page = (ROOT / "README.md").read_text()
    defaults = conf_settings.Settings(terminals={})
    for names in re.findall(
        r"^\| ((?:`[A-Z_]+`,? ?)+)\| ([^|]+) \|", page, re.MULTILINE
    ):
        keys = re.findall(r"`([A-Z_]+)`", names[0])
        values = [value.strip(" `") for value in names[1].split(",")]
        if names[1].strip():
            for key, value in zip(keys, values, strict=True):
                assert str(getattr(defaults, key.lower())) == value, key


def test_every_public_name_of_flows_is_there() -> None:
    from nexi_payments import flows

    assert flows.__all__ == [
        "Actor",
        "CardOnFile",
        "Charged",
        "Counts",
        "RedirectForm",
        "Step",
        "cancel_capture",
        "capture",
        "charge_contract",
        "charge_due",
        "contracts_at_nexi",
        "create_order",
        "describe_customer",
        "end_contract",
        "pay_moto",
        "reconcile",
        "refund",
        "resolve",
        "resume_contract",
        "resume_payment",
        "start_payment",
        "verify_card",
        "void",
    ]
    assert all(hasattr(flows, name) for name in flows.__all__)


def test_every_signal_of_the_contract_is_there() -> None:
    for name in (
        "payment_paid",
        "payment_authorized",
        "payment_failed",
        "payment_refunded",
        "payment_voided",
        "payment_needs_review",
        "gateway_break",
    ):
        assert hasattr(signals, name)


def test_no_file_is_too_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("nexi_payments", "demo_shop")
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts
        and (lines := len(path.read_text().splitlines())) > 300
    }
    assert long == {}


def test_every_kind_of_break_is_explained() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    explained = set(re.findall(r"^\| `([a-z0-9_]+)` \|", page, re.MULTILINE))
    code = "".join(
        path.read_text() for path in (ROOT / "nexi_payments" / "flows").glob("*.py")
    )
    kinds = set(re.findall(r'disagreement=\(\s*"([a-z0-9_]+)"', code))
    kinds |= set(re.findall(r'breaks\.record\(\s*\w+,\s*"([a-z0-9_]+)"', code))
    kinds |= set(re.findall(r'disagreement = \("([a-z0-9_]+)"', code))
    reasons = set(re.findall(r"_review\([^)]*?Reason\.([A-Z_]+)", code))
    kinds |= {getattr(states.Reason, name) for name in reasons}
    assert len(kinds) >= 12
    assert kinds <= explained


def test_every_check_is_explained_and_nothing_else() -> None:
    written = "".join(
        path.read_text() for path in (ROOT / "nexi_payments").glob("*checks.py")
    )
    page = (ROOT / "docs" / "checks.md").read_text()
    ids = r"nexi_payments\.[EW]\d{3}"
    assert set(re.findall(ids, written)) == set(re.findall(ids, page))
