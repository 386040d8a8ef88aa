"""docs/public_names.md lists what a shop may rely on.

A public name that appears, changes or goes without the page fails here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from types import FunctionType
from typing import Any, Final

import pytest
from django.apps import apps
from django.core.management import get_commands
from django.db.models import Model, TextChoices
from django.dispatch import Signal
from django.template import engines
from django.urls import reverse
from prometheus_client import CollectorRegistry

from nexi_payments import (
    api,
    customers,
    enums,
    exceptions,
    flows,
    metrics,
    models,
    permissions,
    signals,
    simulator,
    tasks,
    testing,
    urls,
)
from nexi_payments.api import urls as api_urls
from nexi_payments.card import Card
from nexi_payments.conf import settings as conf_settings
from nexi_payments.conf import terminals as conf_terminals
from nexi_payments.models import PaymentOrder
from nexi_payments.testing import pytest_plugin
from nexi_payments.web import card_form
from tests.observability.conftest import registry  # noqa: F401  # a fixture

pytestmark = pytest.mark.seen_on("sqlite")

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "nexi_payments"
TEMPLATES: Final = PACKAGE / "templates" / "nexi_payments"
PAGE: Final = ROOT / "docs" / "public_names.md"

#: Tables of the package's own bookkeeping: their columns may change.
PRIVATE_TABLES: Final = {
    "AttemptLock",
    "AuditEntry",
    "Heartbeat",
    "HostedPage",
    "NexiLink",
    "IdempotencyRecord",
    "ListSettings",
    "SealedCard",
    "StaffAccess",
    "SweepCursor",
    "TerminalMethods",
    "TerminalOutage",
}
#: What serves the flows, though Python lets others call it.
PRIVATE_ORDER_MEMBERS: Final = {"is_claimed", "link_expired", "live_key", "save"}
#: The rest of ``customers`` makes what Nexi is sent.
PUBLIC_CUSTOMERS: Final = {"Account", "Address", "Customer", "Risk"}


def listed(heading: str) -> list[str]:
    """The lines of the block under a heading; an indented one continues the last."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(?:(?!## |```).*\n)*"
        r"```text\n((?:(?!```).*\n)*)```$",
        PAGE.read_text(),
        re.MULTILINE,
    )
    assert found, heading
    return re.sub(r"\n +", " ", found[1]).splitlines()


def listed_members(heading: str) -> dict[str, list[str]]:
    """``name: member member …`` of each line."""
    lines = (line.partition(":") for line in listed(heading))
    return {name: members.split() for name, _, members in lines}


def dotted(module: Any, names: Iterable[str]) -> set[str]:
    return {f"{module.__name__}.{name}" for name in names}


def classes_in(module: Any, kind: type) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, kind)
        and value.__module__ == module.__name__
    }


def members_of(cls: type) -> set[str]:
    kinds = (property, FunctionType, classmethod, staticmethod)
    return {
        name
        for name, value in vars(cls).items()
        if not name.startswith("_") and isinstance(value, kinds)
    }


def test_each_list_is_sorted_and_says_nothing_twice() -> None:
    headings = re.findall(r"^## (.+)$", PAGE.read_text(), re.MULTILINE)
    assert len(headings) > 20
    for heading in headings:
        lines = listed(heading)
        assert lines == sorted(set(lines)), heading
        for members in listed_members(heading).values():
            assert members == sorted(set(members)), heading


# -- Python ------------------------------------------------------------------


def test_flows() -> None:
    assert set(listed("Flows")) == dotted(flows, flows.__all__)


@pytest.mark.parametrize("module", [api, customers, flows, models, simulator, testing])
def test_what_is_exported_is_there(module: Any) -> None:
    assert len(module.__all__) == len(set(module.__all__))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def own_models() -> dict[str, type[Model]]:
    config = apps.get_app_config("nexi_payments")
    return {model.__name__: model for model in config.get_models()}


def test_models() -> None:
    assert set(listed("Models")) == dotted(models, models.__all__)
    assert set(own_models()) == {*models.__all__, *PRIVATE_TABLES} - {"CreatedOrder"}


def test_columns() -> None:
    columns = listed_members("Columns")
    for name, names in columns.items():
        fields = own_models()[name]._meta.concrete_fields
        assert set(names) == {field.name for field in fields}, name
    own = {name for name, model in own_models().items() if not model._meta.proxy}
    assert set(columns) == own - PRIVATE_TABLES


def test_tables() -> None:
    tables = listed_members("Tables")
    own = set(listed_members("Columns")) | PRIVATE_TABLES
    assert tables == {name: [own_models()[name]._meta.db_table] for name in own}


def test_signals() -> None:
    names = {name for name, one in vars(signals).items() if isinstance(one, Signal)}
    assert set(listed("Signals")) == dotted(signals, names)


def test_exceptions() -> None:
    assert classes_in(exceptions, Exception) < set(exceptions.__all__)
    assert set(listed("Exceptions")) == dotted(exceptions, set(exceptions.__all__))


def test_enumerations() -> None:
    """Their values are what columns, signals, logs and the API say."""
    values = {
        name: set(words) for name, words in listed_members("Enumerations").items()
    }
    expected = {name: set(getattr(enums, name).values) for name in values}
    assert values == expected
    kinds = {name: getattr(enums, name) for name in enums.__all__}
    assert set(values) == {
        name
        for name, one in kinds.items()
        if isinstance(one, type) and issubclass(one, TextChoices)
    }


def test_other_classes_and_functions() -> None:
    assert set(listed("Other classes and functions")) == {
        *dotted(api, api.__all__),
        f"{Card.__module__}.{Card.__name__}",
        *dotted(customers, PUBLIC_CUSTOMERS),
        *(
            f"nexi_payments.metrics.{one.__name__}"
            for one in (metrics.BacklogCollector, metrics.exposition, metrics.start)
        ),
        *dotted(simulator, simulator.__all__),
        "nexi_payments.tasks.BEAT_SCHEDULE",
        *dotted(testing, testing.__all__),
        *(f"nexi_payments.testing.pytest_plugin.{name}" for name in fixtures()),
    }
    assert set(customers.__all__) >= PUBLIC_CUSTOMERS


def fixtures() -> set[str]:
    return {
        name
        for name, value in vars(pytest_plugin).items()
        if not name.startswith("_") and "fixture" in type(value).__name__.lower()
    }


def test_members() -> None:
    members = {name: set(names) for name, names in listed_members("Members").items()}
    assert members == {
        "nexi_payments.card.Card": members_of(Card) - {"reveal"},
        "nexi_payments.models.PaymentOrder": (
            members_of(PaymentOrder) - PRIVATE_ORDER_MEMBERS
        ),
        "nexi_payments.models.Approval": members_of(models.Approval),
        "nexi_payments.models.QueuedRefund": members_of(models.QueuedRefund),
        "nexi_payments.models.PaymentOrder.objects": members_of(
            type(PaymentOrder.objects.all())
        ),
        "nexi_payments.testing.NexiSimulator": members_of(testing.NexiSimulator),
    }


def test_integrations() -> None:
    """Read, not imported: django-payments and django-oscar are not installed here."""
    found = {}
    for package, file in (("django_payments", "provider"), ("oscar", "checkout")):
        path = PACKAGE / "integrations" / package / f"{file}.py"
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name[0] != "_":
                name = f"nexi_payments.integrations.{package}.{file}.{node.name}"
                found[name] = members_in(node) if isinstance(node, ast.ClassDef) else []
    assert listed_members("Integrations") == found


def members_in(node: ast.ClassDef) -> list[str]:
    """Methods, and attributes that have a value."""
    names = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
    for one in node.body:
        if isinstance(one, ast.Assign):
            names += [t.id for t in one.targets if isinstance(t, ast.Name)]
    return sorted(name for name in names if not name.startswith("_"))


# -- settings, commands, tasks -----------------------------------------------


def test_settings() -> None:
    path = PACKAGE / "integrations" / "oscar" / "settings.py"
    (oscar,) = (
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    )
    fields = {
        node.target.id.upper()
        for node in oscar.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert {n: set(keys) for n, keys in listed_members("Settings").items()} == {
        "NEXI_OSCAR": fields,
        "NEXI_PAYMENTS": set(conf_settings._KEYS),
        "TERMINALS": set(conf_terminals.TERMINAL_KEYS),
    }


def test_commands() -> None:
    ours = {name for name, app in get_commands().items() if app == "nexi_payments"}
    assert set(listed("Management commands")) == ours


def test_tasks() -> None:
    names = {
        value.name for value in vars(tasks).values() if hasattr(value, "apply_async")
    }
    assert set(listed("Celery tasks")) == names == set(tasks.BEAT_SCHEDULE)


# -- pages -------------------------------------------------------------------


def test_url_names() -> None:
    names = {
        f"{module.app_name}:{pattern.name}"
        for module in (urls, api_urls)
        for pattern in module.urlpatterns
        if pattern.name
    }
    desk = "admin:nexi_payments_paymentorder_moto"
    assert reverse(desk)
    assert set(listed("URL names")) == names | {desk}


def test_permissions() -> None:
    used = {
        value
        for name, value in vars(permissions).items()
        if name.isupper() and isinstance(value, str)
    }
    named = {name for name, _ in PaymentOrder._meta.permissions}
    assert named <= used
    codes = {f"nexi_payments.{name}" for name in used}
    assert set(listed("Permissions")) == codes


def test_form_fields() -> None:
    assert set(listed("Card form fields")) == set(card_form.CardForm.base_fields)


def test_templates_and_their_blocks() -> None:
    templates = listed_members("Templates and blocks")
    for path in sorted(TEMPLATES.rglob("*.*")):
        name = str(path.relative_to(TEMPLATES))
        text = path.read_text()
        engines["django"].from_string(text)
        if not is_for_staff(name, text):
            blocks = re.findall(r"\{%-?\s*block\s+([\w-]+)", text)
            assert templates.pop(name) == sorted(blocks), name
    assert templates == {}


def is_for_staff(name: str, text: str) -> bool:
    """They may change in any release: they must fit the admin's themes."""
    return (
        name.startswith("staff/")
        or "nexi_payments/staff.js" in text
        or (name in PRIVATE_TEMPLATES)
    )


#: Pages of staff outside of the admin's theme.
PRIVATE_TEMPLATES: Final = {"phone_order_card.html", "verify_card.html"}


def test_template_tags() -> None:
    library = engines["django"].engine.template_libraries["nexi_integrity"]
    assert set(listed("Template tags")) == set(library.tags) | set(library.filters)


def test_css_variables() -> None:
    sheet = (PACKAGE / "static" / "nexi_payments" / "pages.css").read_text()
    names = set(re.findall(r"(--nexi-[\w-]+): ", sheet))
    assert set(listed("CSS variables")) == names


# -- running it --------------------------------------------------------------


@pytest.mark.django_db
def test_metrics(registry: CollectorRegistry) -> None:  # noqa: F811
    body, _ = metrics.exposition(registry)
    names = set(re.findall(r"^# TYPE (nexi_payments_\w+) ", body.decode(), re.M))
    # when a counter was made
    names = {name for name in names if not name.endswith("_created")}
    assert set(listed("Metrics")) == names


def test_loggers() -> None:
    code = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    names = set(re.findall(r'getLogger\("(nexi_payments[\w.]*)"\)', code))
    assert set(listed("Loggers")) == names
