"""What a template offers and takes: its blocks, and the names it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.template import Template, engines
from django.template.base import FilterExpression, Node, Variable
from django.template.loader_tags import IncludeNode

BLOCK = re.compile(r"\{%-?\s*block\s+([\w-]+)")
#: given by Django, not by us
DJANGOS = {"block", "forloop", "csrf_token", "LANGUAGE_CODE", "BIDI", "messages"}


def names_of(path: Path) -> tuple[list[str], list[str]]:
    """Blocks in order of appearance, and the context names, sorted."""
    source = path.read_text()
    engine: Any = engines["django"]
    template: Template = engine.from_string(source).template
    made: set[str] = set()
    read: set[str] = set()
    for node in _walk(template.nodelist):
        made |= _made_by(node)
        for expression in _expressions(node):
            read |= _roots(expression)
    return BLOCK.findall(source), sorted(read - made - DJANGOS)


def _walk(nodes: Any) -> Iterator[Node]:
    for node in nodes:
        yield node
        lists = {*getattr(node, "child_nodelists", ()), "nodelist"}
        for name in sorted(lists):
            yield from _walk(getattr(node, name, None) or ())
        for _, inner in getattr(node, "conditions_nodelists", ()):
            yield from _walk(inner)


def _made_by(node: Node) -> set[str]:
    """Names that a tag itself gives to what stands inside it, or after it."""
    made = set(getattr(node, "loopvars", ()))
    made |= {str(name) for name in (getattr(node, "extra_context", None) or {})}
    for attribute in ("variable", "asvar", "var", "countervar"):
        if isinstance(name := getattr(node, attribute, None), str):
            made.add(name)
    return made


def _expressions(node: Node) -> Iterator[Any]:
    if isinstance(node, IncludeNode):
        return
    for value in vars(node).values():
        yield from _inside(value)
    for condition, _ in getattr(node, "conditions_nodelists", ()):
        yield from _inside(condition)
    # {% blocktranslate %} keeps what it reads as tokens
    for name in ("singular", "plural"):
        for token in getattr(node, name, None) or ():
            if token.token_type.name == "VAR":
                yield Variable(token.contents.split("|")[0].strip())


def _inside(value: Any) -> Iterator[Any]:
    """The expressions in an attribute: alone, in a list, a dict, or an if's tree."""
    if isinstance(value, FilterExpression | Variable):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _inside(one)
    elif isinstance(value, list | tuple):
        for one in value:
            if not isinstance(one, Node):
                yield from _inside(one)
    elif hasattr(value, "lbp"):
        for name in ("first", "second", "value"):
            yield from _inside(getattr(value, name, None))


def _roots(expression: Any) -> set[str]:
    if isinstance(expression, FilterExpression):
        roots = _roots(expression.var)
        for _, arguments in expression.filters:
            for lookup, argument in arguments:
                roots |= _roots(argument) if lookup else set()
        return roots
    lookups = getattr(expression, "lookups", None)
    return {lookups[0]} if lookups else set()
