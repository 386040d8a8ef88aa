"""The hosted page: the customer chooses a method, and how the visit ends.

It has plain forms and no script. A card number that is typed here is compared with the
test cards and forgotten: it is neither stored nor shown again.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlencode

from nexi_payments.simulator import (
    hosted_payments,
    page_layout,
    payment_links,
    test_cards,
)
from nexi_payments.simulator.hosted import HostedPages
from nexi_payments.simulator.hosted_page_texts import TEXTS
from nexi_payments.simulator.hosted_payments import ENDINGS, Visit
from nexi_payments.simulator.notifications import AFTER, MODES
from nexi_payments.simulator.payment_methods import CARDS, Method
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply

#: Real seconds after the outcome page in which the browser is back at the shop.
_RETURN_SECONDS: Final = 3.0
#: Endings for which no card is needed.
_WITHOUT_CARD: Final = frozenset(
    {hosted_payments.CANCEL, hosted_payments.LEAVE, hosted_payments.CLOSE}
)


def handle(
    hosted: HostedPages,
    method: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Reply:
    """Serve the page with this ``paymentid``, and what is posted on it."""
    hosted.deliver_due()
    asked = {name: values[0] for name, values in parse_qs(query).items()}
    found = hosted.state.store.find_page_by_id(asked.get("paymentid", ""))
    if found is None:
        language = page_layout.language_of(headers)
        return _page(language, f"<p>{TEXTS[language]['unknown']}</p>", 404)
    language = "it" if found["language"].lower() == "ita" else "en"
    page = hosted_payments.open_page(hosted.state, found["order_id"]) or found
    if status := hosted.status(page["order_id"]):
        return _outcome(language, page, status, page["result_url"])
    if not payment_links.is_payable(hosted.state, page):
        return _page(language, f"<p>{TEXTS[language]['closed']}</p>", 410)
    methods = hosted.methods_of(page)
    chosen = [one for one in methods if one.code == asked.get("method")]
    if len(methods) == 1:
        chosen = methods
    if not chosen:
        return _page(language, _choice_html(language, page, methods))
    if method == "POST":
        form = page_layout.parse_form(body)
        return _ending(hosted, language, page, chosen[0], form)
    return _page(language, _method_html(language, page, chosen[0]))


def _ending(
    hosted: HostedPages,
    language: str,
    page: Record,
    method: Method,
    form: Mapping[str, str],
) -> Reply:
    ending, notify = form.get("ending", ""), form.get("notify", AFTER)
    if ending not in ENDINGS or notify not in MODES:
        return _page(language, _method_html(language, page, method), 400)
    card = None
    if method.code == CARDS and ending not in _WITHOUT_CARD:
        number = "".join(form.get("card_number", "").split())
        if not test_cards.is_test_card(number):
            error = TEXTS[language]["not_a_test_card"]
            return _page(language, _method_html(language, page, method, error), 422)
        card = test_cards.stored_card(number)
    visit = hosted.visit(page["order_id"], Visit(method.code, ending, notify, card))
    hosted.state.notifications.deliver_in_background(_RETURN_SECONDS)
    leaves = ending in (hosted_payments.CANCEL, hosted_payments.LEAVE)
    if leaves and visit.return_url:
        return Reply(303, headers={"Location": visit.return_url})
    return _outcome(
        language,
        page,
        _outcome_name(hosted, page["order_id"], ending, visit.operation_ids),
        visit.return_url,
        method.code,
    )


def _outcome_name(
    hosted: HostedPages, order_id: str, ending: str, operation_ids: tuple[str, ...]
) -> str:
    if ending == hosted_payments.PAY_LATE:
        return ending
    if not operation_ids or ending == hosted_payments.CANCEL:
        return "left"
    return hosted.status(order_id) or "declined"


# -- HTML ------------------------------------------------------------------------------


def _page(language: str, content: str, status: int = 200) -> Reply:
    return page_layout.html_page(language, TEXTS[language]["title"], content, status)


def _order_html(language: str, page: Record) -> str:
    words = TEXTS[language]
    amount = page_layout.amount_text(page["amount"], page["currency"])
    described = ""
    if page["description"]:
        text = html.escape(page["description"])
        described = f"<dt>{words['description']}</dt><dd>{text}</dd>"
    return (
        f"<dl><dt>{words['amount']}</dt><dd><strong>{html.escape(amount)}</strong></dd>"
        f"<dt>{words['order']}</dt><dd>{html.escape(page['order_id'])}</dd>"
        f"{described}</dl>"
    )


def _choice_html(language: str, page: Record, methods: list[Method]) -> str:
    words = TEXTS[language]
    links = "".join(
        f'<li><a class="button" href="{_address(page, method.code)}">'
        f"{html.escape(_label(language, method))}</a></li>"
        for method in methods
    )
    return f"<h1>{words['choose']}</h1>{_order_html(language, page)}<ul>{links}</ul>"


def _method_html(language: str, page: Record, method: Method, error: str = "") -> str:
    words = TEXTS[language]
    alert = f'<p class="error" role="alert" id="error">{error}</p>' if error else ""
    card = _card_fields_html(language, bool(error)) if method.code == CARDS else ""
    modes = "".join(
        f'<option value="{mode}"{" selected" if mode == AFTER else ""}>'
        f"{words[f'notify_{mode}']}</option>"
        for mode in MODES
    )
    others = [ending for ending in ENDINGS if ending != hosted_payments.PAY]
    buttons = "".join(
        f'<button name="ending" value="{ending}"'
        f"{' formnovalidate' if ending in _WITHOUT_CARD else ''}>"
        f"{words[f'ending_{ending}']}</button>"
        for ending in others
    )
    return (
        f"<h1>{html.escape(_label(language, method))}</h1>{alert}"
        f"{_order_html(language, page)}"
        f'<form method="post" action="{_address(page, method.code)}">{card}'
        f'<label for="notify">{words["notify"]}</label>'
        f'<select id="notify" name="notify">{modes}</select>'
        f'<button class="main" name="ending" value="pay">{words["ending_pay"]}</button>'
        f"<h2>{words['others']}</h2>{buttons}</form>"
    )


def _card_fields_html(language: str, invalid: bool) -> str:
    words = TEXTS[language]
    fields = (
        ("card_number", "cc-number", "[0-9 ]{13,23}"),
        ("expiry", "cc-exp", "[0-9]{2} ?/ ?[0-9]{2}"),
        ("security_code", "cc-csc", "[0-9]{3,4}"),
    )
    error = ' aria-invalid="true" aria-describedby="error"' if invalid else ""
    return f"<p>{words['test_cards_only']}</p>" + "".join(
        f'<label for="{name}">{words[name]}</label>'
        f'<input id="{name}" name="{name}" inputmode="numeric" autocomplete="{kind}"'
        f' pattern="{pattern}" required{error if name == "card_number" else ""}>'
        for name, kind, pattern in fields
    )


def _outcome(
    language: str, page: Record, name: str, return_url: str, method: str = ""
) -> Reply:
    """The outcome, and the link to the shop. Many customers close the page here."""
    words = TEXTS[language]
    content = f"<h1>{words[f'outcome_{name}']}</h1>{_order_html(language, page)}"
    if return_url:
        address = html.escape(return_url)
        content += f'<a class="button main" href="{address}">{words["back"]}</a>'
    else:
        content += f"<p>{words['close_window']}</p>"
    if name == "declined":
        content += (
            f'<a class="button" href="{_address(page, method)}">{words["retry"]}</a>'
        )
    return _page(language, content)


def _label(language: str, method: Method) -> str:
    return TEXTS[language]["card"] if method.code == CARDS else method.label


def _address(page: Record, method: str) -> str:
    return html.escape(
        f"?{urlencode({'paymentid': page['page_id'], 'method': method})}"
    )
