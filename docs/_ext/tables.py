"""Tables made from the code, written into marked places of the pages.

    <!-- made from the code: settings -->
    …
    <!-- until here -->

``make docs`` writes them; a test fails when a page differs from the code. They are in
the pages themselves, so that they can be read without building the site.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import gateway_tables
import meanings
import problem_table
import signatures
import template_words
from django.core.management import get_commands, load_command_class
from markdown_tables import code, table
from template_names import names_of

from nexi_payments import enums, exceptions, payment_methods, signals, urls
from nexi_payments.conf import settings as conf
from nexi_payments.conf import terminals
from nexi_payments.enums import OrderState
from nexi_payments.models import DayClosing, PaymentOrder
from nexi_payments.simulator import TEST_CARDS, WORLDS, World

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "nexi_payments"
PLACE = re.compile(
    r"(<!-- made from the code: ([\w-]+) -->\n).*?(<!-- until here -->)", re.DOTALL
)


def _words(words: dict[str, str], names: Sequence[str], what: str) -> dict[str, str]:
    """The sentences, after a check that each name has one, and each one a name."""
    missing, unused = sorted(set(names) - set(words)), sorted(set(words) - set(names))
    if missing or unused:
        raise SystemExit(f"docs/_ext, {what}: missing {missing}, unused {unused}")
    return {name: words[name] for name in names}


def _default(name: str, of: Any) -> str:
    value = getattr(of, name.lower(), "")
    if isinstance(value, bool | int | float | str | Decimal):
        return code(value)
    if not value:
        return ""
    return code(value if isinstance(value, tuple) else dict(value))


def settings() -> str:
    words = _words(meanings.SETTINGS, conf._KEYS, "SETTINGS")
    defaults = conf.Settings(terminals={})
    return table(
        ("`NEXI_PAYMENTS[…]`", "default", "what it does"),
        ((code(name), _default(name, defaults), words[name]) for name in words),
    )


def terminal() -> str:
    words = _words(meanings.TERMINAL, terminals.TERMINAL_KEYS, "TERMINAL")
    bare = terminals.Terminal(name="", api_key="", environment="", base_url="")
    return table(
        ('`NEXI_PAYMENTS["TERMINALS"][name][…]`', "default", "what it does"),
        ((code(name), _default(name, bare), words[name]) for name in words),
    )


def diagram() -> str:
    edges = (
        f"    {source} --> {target}\n"
        for source in OrderState.values
        for target in OrderState.values
        if target in enums.TRANSITIONS[source]
    )
    first = f"stateDiagram-v2\n    [*] --> {OrderState.INIT}\n"
    return f"```mermaid\n{first}{''.join(edges)}```\n"


def reasons() -> str:
    every = [word for name, word in vars(enums.Reason).items() if name.isupper()]
    words = _words(meanings.REASONS, every, "REASONS")
    return table(("reason", "meaning"), ((code(name), words[name]) for name in words))


def signal_list() -> str:
    kinds = {id(signal): kind for kind, signal in signals.SIGNAL_BY_EVENT_KIND.items()}
    names = [n for n, value in vars(signals).items() if hasattr(value, "receivers")]
    words = _words(meanings.SIGNALS, names, "SIGNALS")
    return table(
        ("signal", "event", "meaning"),
        (
            (code(name), code(kinds.get(id(getattr(signals, name)))), words[name])
            for name in words
        ),
    )


def exception_tree() -> str:
    def lines(kind: type[BaseException], depth: int) -> Iterator[str]:
        said = " ".join((kind.__doc__ or "").split()).replace("``", "`")
        yield f"{'  ' * depth}* `{kind.__name__}`: {said}\n"
        for child in kind.__subclasses__():
            if child.__name__ in exceptions.__all__:
                yield from lines(child, depth + 1)

    return "".join(lines(exceptions.NexiPaymentsError, 0))


def commands() -> str:
    return "\n".join(_command(name) for name in command_names())


def command_names() -> list[str]:
    return sorted(name for name, app in get_commands().items() if app == PACKAGE.name)


def _command(name: str) -> str:
    command = load_command_class(PACKAGE.name, name)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)  # ours alone, without Django's own
    options = [
        (
            code(", ".join(action.option_strings)),
            ""
            if action.default in (None, False, "==SUPPRESS==")
            else f"{action.default}",
            action.help or "",
        )
        for action in parser._actions
        if action.dest != "help"
    ]
    shown = table(("option", "default", ""), iter(options)) if options else ""
    return f"### {name}\n\n{command.help}\n" + (f"\n{shown}" if shown else "")


def test_cards() -> str:
    return table(
        ("number", "brand", "expiry date", "security code", "outcome", "name"),
        (
            (
                code(" ".join(re.findall("....", card.number))),
                card.brand,
                card.expiry,
                card.cvv,
                card.label,
                code(card.ending),
            )
            for card in TEST_CARDS
        ),
    )


def worlds() -> str:
    return table(
        ("world", "what Nexi does", "name"),
        (
            (code(_signature(world)), _docstring(world), code(name))
            for name, world in WORLDS.items()
        ),
    )


def _signature(world: type[World]) -> str:
    options = ", ".join(
        f"{one.name}={one.default}" for one in dataclasses.fields(world)
    )
    return f"{world.__name__}({options})"


def _docstring(world: type[World]) -> str:
    """The docstring, in one line and in Markdown."""
    return " ".join((world.__doc__ or "").split()).replace("``", "`")


def url_names() -> str:
    named = [pattern for pattern in urls.urlpatterns if pattern.name]
    paths = {str(pattern.name): str(pattern.pattern) for pattern in named}
    words = _words(meanings.URLS, list(paths), "URLS")
    return table(
        ("name", "path", "what"),
        ((f"`nexi_payments:{name}`", code(paths[name]), words[name]) for name in words),
    )


def methods() -> str:
    """Payment methods of the hosted page; amounts as in ``METHOD_OVERRIDES``."""

    def row(one: payment_methods.Method) -> tuple[str, ...]:
        days = one.confirms_within.days if one.confirms_within else 0
        return (
            f"`{one.code}`",
            str(one.label),
            str(one.minimum or ""),
            str(one.maximum or ""),
            ", ".join(one.currencies) or "all",
            one.refunds,
            f"{days} days" if days else "",
            one.source,
        )

    head = ("code", "", "from", "to", "currency", "refunds", "may take", "source")
    return table(head, map(row, payment_methods.KNOWN.values()))


def permissions() -> str:
    rows = [
        ("view_paymentorder", "Can view payments"),
        ("view_contract", "Can view saved cards"),
        ("view_cardverification", "Can view card verifications"),
        ("view_dayclosing", "Can view closed days"),
        *DayClosing._meta.permissions,
        *PaymentOrder._meta.permissions,
    ]
    return table(
        ("permission", ""),
        ((f"`nexi_payments.{name}`", str(words)) for name, words in rows),
    )


def templates() -> str:
    root = PACKAGE / "templates" / PACKAGE.name
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*.*"))
    words = _words(
        template_words.TEMPLATES,
        sorted(names, key=lambda name: (name.count("/"), name)),
        "TEMPLATES",
    )

    def row(name: str) -> tuple[str, str, str, str]:
        blocks, read = names_of(root / name)
        return (
            code(name),
            words[name],
            " ".join(map(code, blocks)),
            " ".join(map(code, read)),
        )

    return table(("template", "what", "blocks", "reads"), map(row, words))


def context() -> str:
    root = PACKAGE / "templates" / PACKAGE.name
    read = sorted({n for path in root.rglob("*.*") for n in names_of(path)[1]})
    words = _words(template_words.NAMES, read, "NAMES")
    return table(("name", "holds"), ((code(name), words[name]) for name in words))


def css() -> str:
    sheet = (PACKAGE / "static" / PACKAGE.name / "pages.css").read_text()
    first = sheet[: sheet.index("@media")]
    values = dict(re.findall(r"(--nexi-[\w-]+): ([^;]+);", first))
    words = _words(template_words.CSS, list(values), "CSS")
    return table(
        ("variable", "by day", "colours"),
        ((code(name), code(values[name]), words[name]) for name in words),
    )


def scripts() -> str:
    files = sorted((PACKAGE / "static" / PACKAGE.name).glob("*.js"))
    words = _words(template_words.SCRIPTS, [path.name for path in files], "SCRIPTS")
    root = PACKAGE / "templates" / PACKAGE.name
    loads = {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*.html")
    }

    def row(path: Path) -> tuple[str, str, str, str]:
        digest = hashlib.sha384(path.read_bytes()).digest()
        named = f"'{PACKAGE.name}/{path.name}'"
        return (
            code(path.name),
            words[path.name],
            " ".join(code(name) for name in sorted(loads) if named in loads[name]),
            code("sha384-" + base64.b64encode(digest).decode()),
        )

    return table(("script", "why it is there", "loaded by", "hash"), map(row, files))


def decisions() -> str:
    pages = sorted((DOCS / "decisions").glob("0*.md"))
    titles = [(path, path.read_text().splitlines()[0].lstrip("# ")) for path in pages]
    return "".join(f"* [{title}]({path.name})\n" for path, title in titles)


MAKERS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "terminal": terminal,
    "states": diagram,
    "reasons": reasons,
    "signals": signal_list,
    "exceptions": exception_tree,
    "exception-codes": problem_table.exception_codes,
    "problems": problem_table.problems,
    "commands": commands,
    "test-cards": test_cards,
    "worlds": worlds,
    "urls": url_names,
    "permissions": permissions,
    "templates": templates,
    "context": context,
    "css": css,
    "methods": methods,
    "scripts": scripts,
    "decisions": decisions,
    "flow-signatures": signatures.flow_signatures,
    "order-signatures": signatures.order_signatures,
    "testing-signatures": signatures.testing_signatures,
    "operation-results": gateway_tables.operation_results,
    "operation-words": gateway_tables.operation_words,
    "response-codes": gateway_tables.response_codes,
    "currencies": gateway_tables.currencies,
}


def pages() -> list[Path]:
    return sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)


def filled(text: str) -> str:
    """A page with its tables as the code is now."""
    return PLACE.sub(lambda m: m[1] + "\n" + MAKERS[m[2]]() + "\n" + m[3], text)


def write() -> None:
    for path in pages():
        text = path.read_text()
        if (new := filled(text)) != text:
            path.write_text(new)
            sys.stdout.write(f"{path.relative_to(ROOT)}: tables written\n")
