"""The issuer's page: the shopper approves, refuses, or walks away.

It has plain forms and no inline script. The browser posts the result to the shop from
here, which is another site than the shop, as with a real issuer.
"""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Mapping
from typing import Final

from nexi_payments.simulator import page_layout
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.state import SimulatorState

_SCRIPT: Final = b"document.querySelector('form[data-forward]').submit();"
_TEXTS: Final = {
    "en": {
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
    language = page_layout.language_of(headers)
    words = _TEXTS[language]
    form = page_layout.parse_form(body) if method == "POST" else {}
    operation_id = form.get("transactionId", "")
    return_url = form.get("ReturnUrl", "")
    record = state.store.find_by_payment(operation_id)
    if record is None or not page_layout.is_web_url(return_url):
        return page_layout.html_page(
            language, words["title"], f"<p>{words['odd']}</p>", 400
        )
    if path == "/phoenixstos" and record["ending"] == "challenge":
        return page_layout.html_page(
            language, words["title"], _challenge_html(record, form, words)
        )
    if path == "/phoenixstos":
        fields = record_answer(state, operation_id, "approve")
    elif path == "/phoenixstos/answer":
        fields = record_answer(state, operation_id, form.get("answer", ""))
    else:
        return Reply(404)
    script = "phoenixstos.js" if path == "/phoenixstos" else "../phoenixstos.js"
    return page_layout.html_page(
        language, words["title"], _return_form_html(return_url, fields, words, script)
    )


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


def _challenge_html(
    record: Mapping[str, str], form: Mapping[str, str], words: Mapping[str, str]
) -> str:
    buttons = "".join(
        f'<button name="answer" value="{answer}"'
        f"{' class=main' if answer == 'approve' else ''}>{words[answer]}</button>"
        for answer in ("approve", "refuse", "walk_away")
    )
    amount = page_layout.amount_text(record["amount"], record["currency"])
    fields = {name: form[name] for name in ("ReturnUrl", "transactionId")}
    return (
        f"<h1>{words['title']}</h1><dl><dt>{words['amount']}</dt>"
        f"<dd><strong>{html.escape(amount)}</strong></dd><dt>{words['card']}</dt>"
        f"<dd>•••• {html.escape(record['masked'][-4:])}</dd></dl>"
        '<form method="post" action="phoenixstos/answer">'
        f"{page_layout.hidden_inputs(fields)}{buttons}</form><p><small>{words['note']}</small></p>"
    )


def _return_form_html(
    return_url: str, fields: Mapping[str, str], words: Mapping[str, str], script: str
) -> str:
    return (
        f"<h1>{words['back']}</h1>"
        f'<form method="post" action="{html.escape(return_url)}" data-forward>'
        f"{page_layout.hidden_inputs(fields)}"
        f'<button class="main">{words["forward"]}</button></form>'
        f'<script src="{script}" defer></script>'
    )
