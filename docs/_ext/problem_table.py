"""The problems that the API answers, read from its code: status, code and text.

What a client does about each is written here. A code without a sentence, or a sentence
without a code, breaks the build.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from markdown_tables import code, table

from nexi_payments.api import idempotency, problem_details
from nexi_payments.web import problem_documents

_API: Final = Path(problem_details.__file__).parent
#: Calls that make a problem of a status, a code and a text.
_MAKERS: Final = {"Problem", "_build_response"}
#: Names in the texts of such calls.
_NAMES: Final = {
    "BODY_PROBLEMS": problem_documents.BODY_PROBLEMS,
    "HEADER": idempotency.HEADER,
}

CURES: Final = {
    "invalid": "`errors` has a row for each field: `field`, `code`, `detail`. Fix them",
    "invalid_body": (
        "send one JSON object, no member twice, with a `Content-Length`. `{}` is the"
        " shortest body"
    ),
    "invalid_amount": "`hint` says why. Amounts are strings in major units: `12.50`",
    "invalid_reference": "`hint` says why. At most 100 characters, in one line",
    "invalid_customer": "`hint` names the member: [Customer data](customers.md)",
    "invalid_text": "`hint` names the text and the character. Leave it out",
    "card_data_not_allowed": (
        "a card goes into the card members only. Find out which text of yours has one"
    ),
    "idempotency_key_missing": "[send one](api.md#idempotency-key) with each POST",
    "not_authenticated": (
        "send the credentials of your server, or `X-Client-Secret`. `WWW-Authenticate`"
        " names the kind"
    ),
    "permission_denied": (
        "give the user the permission of that address, or the right on the terminal"
        " (`TERMINAL_RIGHTS`). Missing credentials have this code, too, where the first"
        " authentication class of your project is the session"
    ),
    "approval_not_allowed": "another user with `approve_payment` decides",
    "second_factor_required": (
        "use a token. Or set [`IS_VERIFIED`](hooks.md#a-second-factor) for sessions, or"
        " name the class in `API_PASSWORD_AUTHENTICATION`"
    ),
    "captcha_required": (
        "lead the browser to `captcha_url`: [your captcha]"
        "(hooks.md#a-captcha-under-attack)"
    ),
    "not_found": (
        "check the id and the address. A payment on a terminal that the user may not"
        " see is not found either"
    ),
    "method_not_allowed": "use the method of [the table](api.md#the-addresses)",
    "body_too_large": "16 KiB with a card, 512 KiB without",
    "unsupported_media_type": "send `Content-Type: application/json`",
    "reference_in_use": (
        "read `order`, the live payment. In the checkout: send the shopper back to the"
        " shop"
    ),
    "order_busy": "wait for `Retry-After`, then read the payment",
    "order_not_payable": "read its `state`: paid, closed or under review",
    "already_charged": "void or refund `order` instead",
    "card_blocked": "ask for another card",
    "invalid_state": "read the payment, and what may be done in its state",
    "exceeds_remaining": "send `remaining` at most",
    "amount_changed": "show the new amount, `remaining`, and ask again",
    "capture_not_found": "`capture` is the `id` of a capture in `operations/`",
    "ambiguous_capture": "send `capture`, the `id` of one in `operations/`",
    "approval_required": (
        "wait until `approval` is approved, then repeat it with the same key"
    ),
    "approval_closed": "nothing: `approval_state` says how it ended",
    "consent_required": "show `consent_text` with a checkbox, and send `consent`",
    "contract_not_usable": (
        "read its `state`; if it has ended, ask the customer to save a card again"
    ),
    "moto_not_allowed": 'set `"MOTO": True` on the terminal, or name another terminal',
    "cards_not_accepted": "open Nexi's hosted page by `hosted/`",
    "method_not_offered": "read `methods/` again",
    "method_forbids": "do what `hint` says",
    "payment_being_confirmed": "wait, and read `order`",
    "possible_duplicate": "ask a person, then send `allow_duplicate`",
    "shop_order_unknown": "check the reference",
    "shop_order_differs": "compare amount and currency with the order",
    "nexi_link_used": "read the payment `order`",
    "idempotency_key_reused": "make a new key for each action",
    "too_many_requests": (
        "wait for `Retry-After`. Rates: [Throttling](api.md#throttling)"
    ),
    "too_many_attempts": (
        "wait for `Retry-After`. [Velocity limits]"
        "(troubleshooting.md#a-velocity-limit-refused-a-genuine-shopper)"
    ),
    "too_many_verifications": "wait for `Retry-After`",
    "terminal_unavailable": "fix the API key; `nexi_doctor` tries it",
    "gateway_unavailable": "try again later, with the same key",
    "terminal_not_configured": "restore the terminal in the settings",
    "sealed_card_unavailable": (
        "check the cache of `SEALED_CARD_BACKEND`, or the function of"
        " `SEALED_CARD_KEYS`"
    ),
    "shop_order_unavailable": "read the log: your `REFERENCE_LOOKUP` failed",
    "outcome_not_recorded": (
        "do not repeat it. Read the payment until its outcome is known"
    ),
    "contract_end_unconfirmed": "nothing: `nexi_charge_due` tells Nexi again",
    "nexi_link_cancel_unconfirmed": "nothing: `nexi_reconcile` cancels it again",
    problem_details.OTHER_PROBLEM[0]: (
        "an error of an authentication or throttle class of your own: see its status"
    ),
}


def answered() -> Iterator[tuple[str, str, str]]:
    """Each status, code and text; some codes have two texts."""
    found = list(_of_tables()) + [
        problem
        for path in sorted(_API.glob("*.py"))
        for call in problem_calls(path)
        if (problem := _constants(call))
    ]
    names = {name for _, name, _ in found}
    missing, unused = sorted(names - set(CURES)), sorted(set(CURES) - names)
    if missing or unused:
        raise SystemExit(f"docs/_ext, CURES: missing {missing}, unused {unused}")
    yield from dict.fromkeys(found)


def _of_tables() -> Iterator[tuple[str, str, str]]:
    for status, name, text in problem_details._EXCEPTION_PROBLEMS.values():
        yield str(status), name, text
    for number, (name, text) in problem_details._STATUS_PROBLEMS.items():
        yield str(number), name, text
    yield ("any other", *problem_details.OTHER_PROBLEM)


def problem_calls(path: Path) -> Iterator[ast.Call]:
    """The calls in a module that make a problem."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in _MAKERS:
            yield node


def _constants(call: ast.Call) -> tuple[str, str, str] | None:
    """Status, code and text that stand in a call; ``None`` if they are variables, whose
    values come from the tables or from another call."""
    if not isinstance(call.args[0], ast.Constant):
        return None
    values = ast.Expression(ast.Tuple(call.args, ast.Load()))
    ast.fix_missing_locations(values)
    compiled = compile(values, "<api>", "eval")
    status, name, text = eval(compiled, dict(_NAMES))  # noqa: S307  our own source
    return str(status), name, text


def problems() -> str:
    rows: dict[tuple[str, str], list[str]] = {}
    for status, name, text in answered():
        rows.setdefault((status, name), []).append(text)
    places = list(CURES)
    return table(
        ("code", "status", "`detail`", "what to do"),
        (
            (code(name), status, " Or: ".join(texts), CURES[name])
            for (status, name), texts in sorted(
                rows.items(), key=lambda row: (row[0][0], places.index(row[0][1]))
            )
        ),
    )


def exception_codes() -> str:
    """Exceptions of the flows, and what the API answers."""
    return table(
        ("exception", "the API answers", "what to do"),
        (
            (code(kind.__name__), f"{status} {code(name)}", CURES[name])
            for kind, (status, name, _) in problem_details._EXCEPTION_PROBLEMS.items()
        ),
    )
