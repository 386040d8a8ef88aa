"""The card page while somebody types: brand, grouping, mistakes named at once, one
submit, nothing left behind."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.browser.shopper import CARDS, to_the_card_page

STATIC = Path(__file__).resolve().parents[2] / "nexi_payments/static/nexi_payments"


@pytest.fixture
def card_page(page: Any) -> Any:
    to_the_card_page(page)
    return page


@pytest.mark.parametrize(
    ("typed", "shown", "brand"),
    [
        ("4349940199004549", "4349 9401 9900 4549", "Visa"),
        ("5186151650005008", "5186 1516 5000 5008", "Mastercard"),
        ("2221000000000009", "2221 0000 0000 0009", "Mastercard"),
        ("378282246310005", "3782 822463 10005", "American Express"),
        ("9", "9", ""),
    ],
)
def test_grouped_and_named_while_typing(
    card_page: Any, typed: str, shown: str, brand: str
) -> None:
    card_page.click("[name=card_number]")
    card_page.keyboard.type(typed)
    assert card_page.input_value("[name=card_number]") == shown
    assert card_page.text_content("[data-brand]") == brand


def test_pasting_and_correcting_keep_the_caret(card_page: Any) -> None:
    number = card_page.locator("[name=card_number]")
    number.fill("4349-9401-9900-4549")
    assert number.input_value() == "4349 9401 9900 4549"
    card_page.evaluate(
        "document.querySelector('[name=card_number]').setSelectionRange(7, 7)"
    )
    card_page.keyboard.press("Backspace")
    assert number.input_value() == "4349 9019 9004 549"
    caret = "document.querySelector('[name=card_number]').selectionStart"
    assert card_page.evaluate(caret) == 6
    card_page.keyboard.type("4")
    assert number.input_value() == "4349 9401 9900 4549"


@pytest.mark.parametrize(
    ("name", "pasted", "shown"),
    [
        ("card_number", "4349 - 9401 - 9900 - 4549", "4349 9401 9900 4549"),
        (
            "card_number",
            "\u00a04349\u00a09401\u20139900\u20114549 ",
            "4349 9401 9900 4549",
        ),
        ("card_number", "４３４９９４０１９９００４５４９", "4349 9401 9900 4549"),
        ("card_number", "٤٣٤٩ ٩٤٠١ ٩٩٠٠ ٤٥٤٩", "4349 9401 9900 4549"),
        ("card_number", "Visa: 4349/9401/9900/4549", "4349 9401 9900 4549"),
        ("expiry", "\u200e12/30", "\u200e12/30"),
        ("security_code", "3 9 6", "3 9 6"),
        ("expiry", "12\u00a0\u2013\u00a02030", "12\u00a0\u2013\u00a02030"),
        ("security_code", "  396\u00a0", "  396\u00a0"),
    ],
)
def test_what_is_pasted_is_taken(
    card_page: Any, name: str, pasted: str, shown: str
) -> None:
    """A real paste: the browser cuts it at maxlength before any script runs."""
    field = card_page.locator(f"[name={name}]")
    field.focus()
    card_page.keyboard.insert_text(pasted)
    card_page.keyboard.press("Tab")
    assert field.input_value() == shown
    assert card_page.locator(".nexi-error:visible").count() == 0


@pytest.mark.parametrize(
    ("name", "wrong", "right", "says"),
    [
        (
            "card_number",
            "4349940199004540",
            "4349940199004549",
            "This card number is not right. Please check the digits.",
        ),
        ("expiry", "13/30", "5/30", "Enter month and year like this: 05/30."),
        (
            "security_code",
            "12",
            "123",
            "The security code has three digits (Amex: four).",
        ),
    ],
)
def test_a_mistake_is_named_on_leaving_the_field(
    card_page: Any, name: str, wrong: str, right: str, says: str
) -> None:
    field = card_page.locator(f"[name={name}]")
    field.fill(wrong)
    card_page.keyboard.press("Tab")
    line = card_page.locator(f"#id_{name}_error")
    assert line.text_content() == says
    assert field.get_attribute("aria-invalid") == "true"
    hint = "id_security_code_helptext " if name == "security_code" else ""
    assert field.get_attribute("aria-describedby") == f"{hint}id_{name}_error"
    field.fill(right)
    assert line.text_content() == ""
    assert field.get_attribute("aria-invalid") is None


@pytest.mark.parametrize("expiry", ["0530", "5/30", "05/2030", "05 30", "052030"])
def test_an_expiry_may_be_written_in_many_ways(card_page: Any, expiry: str) -> None:
    card = CARDS["frictionless"]
    card_page.fill("[name=card_number]", card.number)
    card_page.click("[name=expiry]")
    card_page.keyboard.type(expiry)
    card_page.fill("[name=security_code]", card.cvv)
    assert card_page.locator("#id_expiry_error").count() == 0
    card_page.click("button[type=submit]")
    card_page.wait_for_url("**/orders/D*/?payment=*")


def test_a_second_click_does_nothing_and_the_button_says_why(card_page: Any) -> None:
    posts: list[str] = []

    def note(request: Any) -> None:
        if request.method == "POST" and "/pay/" in request.url:
            posts.append(request.url)

    card_page.on("request", note)
    card = CARDS["challenge"]
    card_page.fill("[name=card_number]", card.number)
    card_page.fill("[name=expiry]", card.expiry)
    card_page.fill("[name=security_code]", card.cvv)
    said = card_page.evaluate(
        """() => { const button = document.querySelector('button[type=submit]');
        button.click(); button.click(); return button.textContent }"""
    )
    assert said == "Contacting your bank …"
    card_page.wait_for_url("**/monetaweb/phoenixstos")
    assert len(posts) == 1


def test_the_merchant_stands_above_the_amount(card_page: Any) -> None:
    assert card_page.text_content(".nexi-merchant") == "Caffè Demo"


def test_right_to_left_without_a_scroll_bar(card_page: Any, picture: Any) -> None:
    card_page.set_viewport_size({"width": 320, "height": 700})
    card_page.evaluate("document.documentElement.dir = 'rtl'")
    width = card_page.evaluate("document.documentElement.scrollWidth")
    assert width == 320
    picture(card_page, "card-rtl-320")


def test_script_and_style_are_light() -> None:
    together = sum(
        len(gzip.compress((STATIC / name).read_bytes()))
        for name in ("pages.css", "card.js", "forward.js", "pending.js")
    )
    assert together < 15 * 1024


def test_nothing_of_ours_offends_the_policy(card_page: Any) -> None:
    card_page.fill("[name=card_number]", "1")
    card_page.keyboard.press("Tab")
    assert card_page.complaints == []


def test_a_click_reaches_the_button_although_a_mistake_is_named(card_page: Any) -> None:
    """The line about the field that is left would move the button under the pointer."""
    card_page.set_viewport_size({"width": 320, "height": 900})
    card_page.clock.install()
    card_page.fill("[name=card_number]", "4349940199004540")
    card_page.click("[name=expiry]")
    card_page.keyboard.type("1330")
    box = card_page.locator("[data-card] button[type=submit]").bounding_box()
    card_page.mouse.move(box["x"] + 20, box["y"] + 5)
    card_page.mouse.down()
    card_page.clock.run_for(300)
    assert card_page.locator("#id_expiry_error").count() == 0
    card_page.mouse.up()
    card_page.wait_for_selector("#id_security_code_error")  # the button was pressed
    assert "Enter month and year" in card_page.text_content("#id_expiry_error")
    assert card_page.locator("#errors").count() == 0  # and nothing was sent


MISTAKES = [
    ({"card_number": ""}, "card_number", "Enter the number on the front of the card."),
    (
        {"card_number": "4349940199004540"},
        "card_number",
        "This card number is not right. Please check the digits.",
    ),
    ({"expiry": "01/20"}, "expiry", "This card is no longer valid."),
    (
        {"security_code": ""},
        "security_code",
        "Enter the three digits on the back (Amex: four in front).",
    ),
    (
        {"security_code": "1234"},
        "security_code",
        "The security code has three digits (Amex: four).",
    ),
    ({"cardholder_name": " "}, "cardholder_name", "Enter the name on the card."),
]


@pytest.mark.parametrize(("changes", "name", "says"), MISTAKES)
def test_what_can_be_seen_here_is_not_sent(
    card_page: Any, changes: dict[str, str], name: str, says: str
) -> None:
    """A page that comes back from the server has lost the card."""
    posts: list[str] = []
    card_page.on("request", lambda one: posts.append(one.method))
    card = CARDS["challenge"]
    right = {
        "cardholder_name": "Giulia Bianchi",
        "card_number": card.number,
        "expiry": card.expiry,
        "security_code": card.cvv,
    }
    for field, value in (right | changes).items():
        card_page.fill(f"[name={field}]", value)
    card_page.click("[data-card] button[type=submit]")
    assert card_page.text_content(f"#id_{name}_error") == says
    card_page.wait_for_selector(f"[name={name}]:focus[aria-invalid=true]")
    for field in right.keys() - {name}:
        assert card_page.input_value(f"[name={field}]") != ""
        assert card_page.get_attribute(f"[name={field}]", "aria-invalid") is None
    assert "POST" not in posts
    card_page.fill(f"[name={name}]", right[name])
    card_page.click("[data-card] button[type=submit]")
    card_page.wait_for_url("**/monetaweb/phoenixstos")
