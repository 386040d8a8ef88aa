"""Request bodies of the hosted page and of payment links.

Sources: Nexi's page "Hosted Payment Page" and its WooCommerce plugin. No card is in
these bodies. Not confirmed live.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from nexi_payments.gateway.payloads import NO_PREFERENCE, Purchase, order_member
from nexi_payments.gateway.payment_methods import payment_service

#: Our language code → ISO 639-2 as Nexi's plugin writes it. Codes that the sources
#: spell in two ways (Czech) are left out; a page in English is better than a 400.
_LANGUAGES: Final = {
    **{"it": "ITA", "en": "ENG", "de": "DEU", "fr": "FRA", "es": "SPA", "el": "ELL"},
    **{"pt": "POR", "ar": "ARA", "zh": "CHI", "ru": "RUS"},
    **{"hr": "HRV", "hu": "HUN", "pl": "POL", "ro": "RON", "sk": "SLK", "sq": "SQI"},
}
DEFAULT_LANGUAGE: Final = "ENG"


@dataclass(frozen=True)
class BrowserUrls:
    """Where Nexi sends the browser, and where it posts its notification.

    Absolute URLs with at most 2048 characters, on ports 80 and 443. They hold tokens of
    ours, so no ``repr`` shows them. ``None`` leaves a URL out; a hosted page needs
    ``result_url`` and ``cancel_url``."""

    result_url: str | None = field(default=None, repr=False)
    cancel_url: str | None = field(default=None, repr=False)
    notification_url: str | None = field(default=None, repr=False)


def language_code(language: str) -> str:
    """``"it-CH"`` → ``"ITA"``; a language that Nexi does not have → ``"ENG"``."""
    base = language.replace("_", "-").partition("-")[0].lower()
    return _LANGUAGES.get(base, DEFAULT_LANGUAGE)


def hosted_page(
    purchase: Purchase, service: str | None, language: str, urls: BrowserUrls
) -> dict[str, Any]:
    session = _session_member(purchase, language, urls)
    if service:
        session["paymentService"] = payment_service(service)
    return {"order": order_member(purchase), "paymentSession": session}


def payment_link(
    purchase: Purchase, expires_on: date, language: str, urls: BrowserUrls
) -> dict[str, Any]:
    return {
        "order": order_member(purchase),
        "paymentSession": _session_member(purchase, language, urls),
        **expiration(expires_on),
    }


def expiration(expires_on: date) -> dict[str, str]:
    return {"expirationDate": expires_on.isoformat()}


def _session_member(
    purchase: Purchase, language: str, urls: BrowserUrls
) -> dict[str, Any]:
    """No captureType: it is for cards only, and an implicit terminal rejects it."""
    session: dict[str, Any] = {
        "actionType": "PAY",
        "amount": str(purchase.amount),
        "recurrence": {"action": "NO_RECURRING"},
        "exemptions": NO_PREFERENCE,
        "language": language_code(language),
    }
    named = {
        "resultUrl": urls.result_url,
        "cancelUrl": urls.cancel_url,
        "notificationUrl": urls.notification_url,
    }
    return session | {name: url for name, url in named.items() if url}
