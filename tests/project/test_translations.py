"""Every text of ours stands in Italian beside English, those for shoppers in four more
languages, and what ships is current."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import polib
import pytest
from django.test import Client
from django.utils import translation

from nexi_payments.simulator import Simulator
from nexi_payments.web import shopper_texts
from tests.support.shopper import new_order

ROOT = Path(__file__).resolve().parents[2]
APPS = ("nexi_payments", "demo_shop")
#: besides Italian: what shoppers may read
SHOPPERS = ("de", "el", "es", "fr")
CATALOGS = [
    *((app, "it") for app in APPS),
    *(("nexi_payments", language) for language in SHOPPERS),
]


def catalog(app: str, language: str = "it") -> Path:
    return ROOT / app / "locale" / language / "LC_MESSAGES" / "django.po"


@pytest.mark.parametrize(("app", "language"), CATALOGS)
def test_nothing_is_untranslated_or_fuzzy(app: str, language: str) -> None:
    po = polib.pofile(str(catalog(app, language)))
    assert len(po) > 40
    assert [entry.msgid for entry in po if not entry.translated()] == []


@pytest.mark.parametrize(("app", "language"), CATALOGS)
def test_the_compiled_catalog_is_current(app: str, language: str) -> None:
    po = polib.pofile(str(catalog(app, language)))
    mo = polib.mofile(str(catalog(app, language).with_suffix(".mo")))
    assert {e.msgid: e.msgstr for e in mo} == {e.msgid: e.msgstr for e in po}


@pytest.mark.parametrize(("app", "language"), CATALOGS)
def test_what_is_put_into_a_text_is_put_into_its_translation(
    app: str, language: str
) -> None:
    places = re.compile(r"%\(\w+\)s|\d\d/\d\d")
    for entry in polib.pofile(str(catalog(app, language))):
        for said in entry.msgstr_plural.values() or [entry.msgstr]:
            found = sorted(places.findall(said))
            assert found == sorted(places.findall(entry.msgid)), entry.msgid


@pytest.mark.parametrize("app", APPS)
def test_italian_says_lei(app: str) -> None:
    """One page must not say tu and Lei."""
    informal = re.compile(r"\b(tu|tuo|tua|tuoi|tue|ti|puoi|hai|vuoi|devi)\b", re.I)
    said = [
        text
        for entry in polib.pofile(str(catalog(app)))
        for text in entry.msgstr_plural.values() or [entry.msgstr]
    ]
    assert [text for text in said if informal.search(text)] == []


def test_shoppers_read_the_same_texts_in_each_language() -> None:
    every = [
        {entry.msgid for entry in polib.pofile(str(catalog("nexi_payments", language)))}
        for language in SHOPPERS
    ]
    assert all(texts == every[0] for texts in every)
    assert every[0] < {entry.msgid for entry in polib.pofile(str(catalog(APPS[0])))}
    for message in vars(shopper_texts).values():
        if isinstance(message, shopper_texts.Message):
            with translation.override("en"):
                assert {str(message.title), str(message.text)} <= every[0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "title", "amount"),
    [
        ("de", "Mit Karte bezahlen", "1.250,00\u202f€"),
        ("el", "Πληρωμή με κάρτα", "1.250,00\u202f€"),
        ("es", "Pagar con tarjeta", "1\u202f250,00\u202f€"),
        ("fr", "Payer par carte", "1\u202f250,00\u202f€"),
        ("it", "Paga con carta", "1.250,00\u202f€"),
    ],
)
def test_a_card_page_in_the_shopper_s_language(
    gateway: Simulator, language: str, title: str, amount: str
) -> None:
    order = new_order(amount=Decimal("1250.00"))
    browser = Client(headers={"Accept-Language": language})
    page = browser.get(order.page_url()).content.decode()
    assert f'<html lang="{language}"' in page
    assert f"<title>{title}</title>" in page
    assert amount in page.replace("\xa0", "\u202f")


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="gettext is missing")
def test_every_text_in_the_code_is_in_the_catalog(tmp_path: Path) -> None:
    copy = tmp_path / "project"
    copy.mkdir()
    for name in (*APPS, "templates", "manage.py"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name)
        else:
            shutil.copy(source, copy / name)
    (make,) = (
        line
        for line in (ROOT / "Makefile").read_text().splitlines()
        if line.startswith("STAFF := ")
    )
    ignored = [f"--ignore={name}" for name in make.removeprefix("STAFF := ").split()]
    subprocess.run(
        [
            *(sys.executable, "-m", "django", "makemessages", "-l", "de"),
            *("--no-location", "--no-obsolete", *ignored),
        ],
        cwd=copy / "nexi_payments",
        check=True,
        capture_output=True,
        env={k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"},
    )
    command = "manage.py makemessages -l it --no-location --no-obsolete"
    subprocess.run(
        [sys.executable, *command.split()],
        cwd=copy,
        check=True,
        capture_output=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "demo_shop.settings"},
    )
    for app, language in (("nexi_payments", "de"), *((app, "it") for app in APPS)):
        fresh = polib.pofile(
            str(copy / app / "locale" / language / "LC_MESSAGES" / "django.po")
        )
        assert {entry.msgid for entry in fresh} == {
            entry.msgid for entry in polib.pofile(str(catalog(app, language)))
        }
        assert [entry.msgid for entry in fresh if entry.fuzzy] == []
