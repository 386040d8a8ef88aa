"""The issuer's page: the shopper approves, refuses, or walks away.

It has plain forms and no inline script. The browser posts the result to the shop from
here, which is another site than the shop, as with a real issuer.
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qs, urlsplit

from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.state import SimulatorState

_STYLE: Final = (
    "body{margin:0;background:#e9eef0;color:#16262b;font:1rem/1.5 system-ui,sans-serif}"
    "main{max-width:26rem;margin:2rem auto;padding:1.5rem;background:#fff;"
    "border-top:6px solid #0f6e6e;border-radius:0 0 12px 12px}"
    "h1{font-size:1.25rem;margin:.5rem 0}"
    ".tag{margin:0;font-size:.8125rem;letter-spacing:.04em;color:#7a3b00}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}dd{margin:0}"
    "button{display:block;width:100%;min-height:3rem;margin:.6rem 0;font:inherit;"
    "font-weight:700;border-radius:8px;border:2px solid #0f6e6e;cursor:pointer;"
    "background:#fff;color:#0b5252}"
    ".main{background:#0f6e6e;color:#fff}small{color:#4a5d63}"
    "@media(prefers-color-scheme:dark){body{background:#0d1719;color:#e6eff1}"
    "main{background:#16262b}button{background:#16262b;color:#8fe0e0;"
    "border-color:#8fe0e0}.main{background:#8fe0e0;color:#0d1719}"
    ".tag{color:#ffc48a}small{color:#a9bcc2}}"
)
_SCRIPT: Final = b"document.querySelector('form[data-forward]').submit();"
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CSP: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; script-src 'self';"
    " img-src data:; form-action *;"
    " base-uri 'none'; frame-ancestors *"
)

#: Currencies whose smallest unit is not a hundredth.
_DECIMAL_PLACES: Final = {
    **dict.fromkeys(("BYR", "CLP", "ISK", "JPY", "KRW", "VND"), 0),
    **dict.fromkeys(("BHD", "JOD", "KWD"), 3),
}

_TEXTS: Final = {
    "en": {
        "tag": "SIMULATOR – no real bank",
        "title": "Confirm your payment",
        "amount": "Amount",
        "card": "Card",
        "approve": "Approve",
        "refuse": "Refuse",
        "walk_away": "Walk away",
        "note": "Closing this window is another way to walk away.",
        "back": "Back to the shop",
        "forward": "Continue",
        "odd": "This page was opened without the data a shop sends.",
    },
    "it": {
        "tag": "SIMULATORE – nessuna vera banca",
        "title": "Conferma il pagamento",
        "amount": "Importo",
        "card": "Carta",
        "approve": "Approva",
        "refuse": "Rifiuta",
        "walk_away": "Abbandona",
        "note": "Anche chiudere questa finestra è un modo di abbandonare.",
        "back": "Ritorno al negozio",
        "forward": "Continua",
        "odd": "La pagina è stata aperta senza i dati che invia un negozio.",
    },
}


def handle(
    state: SimulatorState,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Reply:
    """Serve the challenge, ``…/answer`` (back to the shop) and the script."""
    if path == "/phoenixstos.js":
        return Reply(200, _SCRIPT, {"Content-Type": "text/javascript"})
    found = {name.lower(): value for name, value in headers.items()}
    language = "it" if found.get("accept-language", "").startswith("it") else "en"
    words = _TEXTS[language]
    form = _parse_form(body) if method == "POST" else {}
    operation_id = form.get("transactionId", "")
    return_url = form.get("ReturnUrl", "")
    record = state.store.find_by_payment(operation_id)
    if record is None or not _is_web_url(return_url):
        return _html_page(language, f"<p>{words['odd']}</p>", 400)
    if path == "/phoenixstos" and record["ending"] == "challenge":
        return _html_page(language, _challenge_html(record, form, words))
    if path == "/phoenixstos":
        fields = record_answer(state, operation_id, "approve")
    elif path == "/phoenixstos/answer":
        fields = record_answer(state, operation_id, form.get("answer", ""))
    else:
        return Reply(404)
    script = "phoenixstos.js" if path == "/phoenixstos" else "../phoenixstos.js"
    return _html_page(language, _return_form_html(return_url, fields, words, script))


def record_answer(
    state: SimulatorState, operation_id: str, answer: str
) -> dict[str, str]:
    """Store the shopper's answer. Return the fields that go back to the shop.

    "walk_away" sends neither ``PaRes`` nor ``paymentId``, as observed live.
    """
    with state.store.edit_payment(operation_id) as record:
        if record is None or answer not in ("approve", "refuse"):
            return {}
        record["pares"] = _new_pares(record["ending"])
        record["approved"] = answer == "approve"
        return {"PaRes": record["pares"], "paymentId": operation_id}


def _new_pares(ending: str) -> str:
    """Return opaque Base64 with "+", "/" and "=", which form encoding must preserve.

    For a frictionless card it is the value that was seen in the sandbox."""
    if ending == "frictionless":
        return "notneeded"
    return "eJx+" + base64.b64encode(b"\xff" + os.urandom(48)).decode()


def _is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _parse_form(body: bytes) -> dict[str, str]:
    try:
        parsed = parse_qs(body.decode("utf-8"), keep_blank_values=True)
    except ValueError:
        return {}
    return {name: values[0] for name, values in parsed.items()}


def _hidden_inputs(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )


def _challenge_html(
    record: Mapping[str, str], form: Mapping[str, str], words: Mapping[str, str]
) -> str:
    buttons = "".join(
        f'<button name="answer" value="{answer}"'
        f"{' class=main' if answer == 'approve' else ''}>{words[answer]}</button>"
        for answer in ("approve", "refuse", "walk_away")
    )
    places = _DECIMAL_PLACES.get(record["currency"], 2)
    amount = f"{Decimal(record['amount']).scaleb(-places):f} {record['currency']}"
    fields = {name: form[name] for name in ("ReturnUrl", "transactionId")}
    return (
        f"<h1>{words['title']}</h1><dl><dt>{words['amount']}</dt>"
        f"<dd><strong>{html.escape(amount)}</strong></dd><dt>{words['card']}</dt>"
        f"<dd>•••• {html.escape(record['masked'][-4:])}</dd></dl>"
        '<form method="post" action="phoenixstos/answer">'
        f"{_hidden_inputs(fields)}{buttons}</form><p><small>{words['note']}</small></p>"
    )


def _return_form_html(
    return_url: str, fields: Mapping[str, str], words: Mapping[str, str], script: str
) -> str:
    return (
        f"<h1>{words['back']}</h1>"
        f'<form method="post" action="{html.escape(return_url)}" data-forward>'
        f"{_hidden_inputs(fields)}"
        f'<button class="main">{words["forward"]}</button></form>'
        f'<script src="{script}" defer></script>'
    )


def _html_page(language: str, content: str, status: int = 200) -> Reply:
    words = _TEXTS[language]
    document = (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{words["title"]}</title>'
        f"<style>{_STYLE}</style></head>"
        f'<body><main><p class="tag">{words["tag"]}</p>{content}</main></body></html>'
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _CSP,
        "Cache-Control": "private, no-store",
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }
    return Reply(status, document.encode(), headers)
