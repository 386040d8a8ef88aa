"""Layout of the pages that a browser sees: the issuer's and the hosted page.

Plain forms, readable in light and dark, usable by keyboard and on a narrow screen. No
inline script and nothing from another host.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qs, urlsplit

from nexi_payments.simulator.responses import Reply

_STYLE: Final = (
    "body{margin:0;background:#e9eef0;color:#16262b;font:1rem/1.5 system-ui,sans-serif}"
    "main{max-width:26rem;margin:2rem auto;padding:1.5rem;background:#fff;"
    "border-top:6px solid #0f6e6e;border-radius:0 0 12px 12px}"
    "*{box-sizing:border-box}main{overflow-wrap:anywhere}"
    "h1{font-size:1.25rem;margin:.5rem 0}h2{font-size:1rem;margin:1.5rem 0 .5rem}"
    ".tag{margin:0;font-size:.8125rem;letter-spacing:.04em;color:#7a3b00}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}dd{margin:0}"
    "button,.button{display:block;width:100%;min-height:3rem;margin:.6rem 0;"
    "font:inherit;font-weight:700;border-radius:8px;border:2px solid #0f6e6e;"
    "cursor:pointer;background:#fff;color:#0b5252}"
    ".button{padding:.6rem 1rem;text-align:center;text-decoration:none}"
    ".main{background:#0f6e6e;color:#fff}small{color:#4a5d63}"
    "label{display:block;margin:.6rem 0 .2rem;font-weight:700}"
    "input,select{width:100%;min-height:3rem;padding:.4rem .6rem;font:inherit;"
    "color:inherit;background:transparent;border:1px solid #4a5d63;border-radius:8px}"
    "option{color:#16262b;background:#fff}"
    "ul{list-style:none;margin:0;padding:0}"
    ".error{padding:.6rem 1rem;border-left:4px solid #b3261e;background:#fdeceb;"
    "color:#7a1410}"
    "@media(prefers-color-scheme:dark){body{background:#0d1719;color:#e6eff1}"
    "main{background:#16262b}button,.button{background:#16262b;color:#8fe0e0;"
    "border-color:#8fe0e0}.main{background:#8fe0e0;color:#0d1719}"
    ".tag{color:#ffc48a}small{color:#a9bcc2}input,select{border-color:#a9bcc2}"
    ".error{background:#3a1512;color:#ffd9d5;border-color:#ff8a80}}"
)
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

TAGS: Final = {
    "en": "SIMULATOR – no real bank",
    "it": "SIMULATORE – nessuna vera banca",
}


def language_of(headers: Mapping[str, str]) -> str:
    """Return "it" or "en", whichever the browser prefers. English is the default."""
    found = {name.lower(): value for name, value in headers.items()}
    return "it" if found.get("accept-language", "").startswith("it") else "en"


def amount_text(minor_units: str, currency: str) -> str:
    places = _DECIMAL_PLACES.get(currency, 2)
    return f"{Decimal(minor_units).scaleb(-places):f} {currency}"


def is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def parse_form(body: bytes) -> dict[str, str]:
    try:
        parsed = parse_qs(body.decode("utf-8"), keep_blank_values=True)
    except ValueError:
        return {}
    return {name: values[0] for name, values in parsed.items()}


def hidden_inputs(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )


def html_page(language: str, title: str, content: str, status: int = 200) -> Reply:
    document = (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>"
        f'<body><main><p class="tag">{TAGS[language]}</p>{content}</main></body></html>'
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _CSP,
        "Cache-Control": "private, no-store",
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }
    return Reply(status, document.encode(), headers)
