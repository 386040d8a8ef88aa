"""What a clerk e-mails, its link and the page behind it are in one language; there is a
sensible default for any LANGUAGE_CODE."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import global_settings
from django.core import mail
from django.test import Client
from django.utils import translation

from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.web import languages
from tests.base_settings import without
from tests.support.clerk import Clerk, order_from_redirect, result_url
from tests.support.shopper import SITE, Shopper

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite"),
]
LOCALE = "django.middleware.locale.LocaleMiddleware"
OURS = ["de", "el", "en", "es", "fr", "it"]


def mailed_link(clerk: Clerk, language: str) -> str:
    order = order_from_redirect(clerk.create_order())
    clerk.post(f"{result_url(order)}link/")
    clerk.post(f"{result_url(order)}email/", email="c@example.org", language=language)
    message = mail.outbox[-1]  # the first one went when the link was made
    found = re.search(r"http\S+/payments/link/\S+", message.body)
    assert found, message.body
    return found[0]


@pytest.fixture
def clerk(gateway: Simulator) -> Clerk:
    return Clerk("take_moto", "view_paymentorder")


def visit(url: str, **headers: str) -> tuple[Client, str]:
    """A customer's browser, in another language than the email."""
    browser = Client(HTTP_HOST="127.0.0.1:8000", HTTP_ACCEPT_LANGUAGE="fr", **headers)
    parts = urlsplit(url)
    answer = browser.get(f"{parts.path}?{parts.query}", follow=True)
    return browser, answer.content.decode()


@pytest.mark.parametrize("with_middleware", [True, False])
def test_email_link_and_page(
    settings: Any, clerk: Clerk, with_middleware: bool
) -> None:
    url = mailed_link(clerk, "it")
    assert mail.outbox[-1].subject.endswith("ordine R-1")
    if not with_middleware:
        settings.MIDDLEWARE = without(settings.MIDDLEWARE, LOCALE)
    browser, page = visit(url)
    assert '<html lang="it"' in page
    assert "Numero della carta" in page
    # and so are the pages that follow
    shopper = Shopper(Simulator())
    shopper.browser = browser
    order = PaymentOrder.objects.get()
    result = browser.get(f"/payments/result/{order.public_id}/").content.decode()
    assert '<html lang="it"' in result


def test_with_language_prefixes(settings: Any, clerk: Clerk) -> None:
    url = mailed_link(clerk, "en")
    settings.ROOT_URLCONF = "tests.support.urls_i18n"
    from nexi_payments.web import payment_links

    order = PaymentOrder.objects.get()
    url = payment_links.build_url(order, SITE, "it")
    assert url.startswith(f"{SITE}/it/payments/link/")
    _browser, page = visit(url)
    assert '<html lang="it"' in page


def test_a_link_without_a_language_sets_none(clerk: Clerk) -> None:
    url = mailed_link(clerk, "it").partition("?")[0]
    browser, page = visit(url)
    assert '<html lang="fr"' in page
    assert settings_cookie() not in browser.cookies


@pytest.mark.parametrize("code", ["", "xx", "../etc", "i" * 400, "it\r\nX: y"])
def test_a_language_that_is_none(clerk: Clerk, code: str) -> None:
    from urllib.parse import quote

    url = f"{mailed_link(clerk, 'it').partition('?')[0]}?language={quote(code)}"
    browser, page = visit(url)
    assert '<html lang="fr"' in page
    assert settings_cookie() not in browser.cookies


def settings_cookie() -> str:
    return str(global_settings.LANGUAGE_COOKIE_NAME)


# -- what is offered -------------------------------------------------------------------


def test_of_djangos_hundred_languages_ours(settings: Any) -> None:
    settings.LANGUAGES = global_settings.LANGUAGES
    codes = [code for code, _name in languages.offered()]
    assert sorted({code.partition("-")[0] for code in codes}) == OURS


def test_a_project_with_texts_of_its_own(settings: Any, tmp_path: Path) -> None:
    settings.LANGUAGES = [("en", "English"), ("nl", "Nederlands"), ("pt-br", "Pt")]
    assert languages.offered() == (("en", "English"),)
    for name in ("nl", "pt_BR"):
        folder = tmp_path / name / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "django.mo").write_bytes(b"")
    settings.LOCALE_PATHS = [str(tmp_path)]
    assert [code for code, _name in languages.offered()] == ["en", "nl", "pt-br"]


def test_a_project_with_none_of_ours(settings: Any) -> None:
    settings.LANGUAGES = [("nl", "Nederlands")]
    settings.LANGUAGE_CODE = "nl"
    assert languages.offered() == (("nl", "Nederlands"),)
    with translation.override("nl"):
        assert languages.default() == "nl"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en-us", "en"),  # startproject
        ("it", "it"),
        ("de-at", "de"),
        ("pt-br", "en"),
        ("zh-hans", "en"),
        ("en-gb", "en-gb"),
        ("es-mx", "es-mx"),
    ],
)
def test_what_is_chosen_first(settings: Any, code: str, expected: str) -> None:
    """Without it a select shows its first option: Afrikaans."""
    settings.LANGUAGES = global_settings.LANGUAGES
    settings.LANGUAGE_CODE = code
    with translation.override(code):
        assert languages.default() == expected


def test_a_clerk_of_startproject_is_offered_english(
    settings: Any, clerk: Clerk
) -> None:
    settings.LANGUAGES = global_settings.LANGUAGES
    settings.LANGUAGE_CODE = "en-us"
    settings.MIDDLEWARE = without(settings.MIDDLEWARE, LOCALE)
    order = order_from_redirect(clerk.create_order())
    clerk.post(f"{result_url(order)}link/")
    page = clerk.get_text(result_url(order))
    assert '<option value="en" selected>' in page
    assert "Afrikaans" not in page
