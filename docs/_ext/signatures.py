"""Parameters of public functions, for readers of a page that is not built."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from nexi_payments import flows
from nexi_payments.models import PaymentOrder
from nexi_payments.testing import NexiSimulator

_WIDTH: Final = 100


def flow_signatures() -> str:
    functions = [name for name in flows.__all__ if name.islower()]
    return _block((name, getattr(flows, name)) for name in sorted(functions))


def order_signatures() -> str:
    return _block(
        (f"PaymentOrder.{name}", member)
        for name, member in (
            ("find_by_order_id", PaymentOrder.find_by_order_id),
            ("objects.for_object", PaymentOrder.objects.for_object),
            ("page_url", PaymentOrder.page_url),
        )
    )


def testing_signatures() -> str:
    return _block(
        (name, value)
        for name, value in vars(NexiSimulator).items()
        if not name.startswith("_") and inspect.isfunction(value)
    )


def _block(functions: Iterable[tuple[str, Callable[..., Any]]]) -> str:
    lines = (f"{_signature(*one)}\n" for one in functions)
    return f"```text\n{''.join(lines)}```\n"


def _signature(name: str, function: Callable[..., Any]) -> str:
    """One line, or a line for each parameter where that would be too long."""
    signature = inspect.signature(function)
    parameters = list(_parameters(signature))
    end = f") -> {signature.return_annotation}"
    line = f"{name}({', '.join(parameters)}{end}"
    if len(line) <= _WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {one},\n" for one in parameters) + end


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    """As they are written, with the star before those that need their name."""
    starred = False
    for one in signature.parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        stars = "**" if one.kind is one.VAR_KEYWORD else ""
        default = "" if one.default is one.empty else f" = {_value(one.default)}"
        yield f"{stars}{one.name}: {one.annotation}{default}"


def _value(default: Any) -> str:
    if isinstance(default, flows.Actor):
        return "Actor()"
    return json.dumps(default) if isinstance(default, str) else repr(default)
