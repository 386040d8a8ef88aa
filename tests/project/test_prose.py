"""The linter of prose finds forbidden phrases where people read, and not in code."""

from __future__ import annotations

import io
import runpy
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROSE = runpy.run_path(str(ROOT / ".ci/prose.py"))
PHRASES = PROSE["DATA"]["phrase"]

pytestmark = pytest.mark.seen_on("sqlite")


def found(path: str, blocks: Any) -> list[tuple[int, str]]:
    """Line and phrase of each finding."""
    return [
        (one.line, one.text.partition(" -> ")[0])
        for one in PROSE["findings_of"](path, list(blocks))
    ]


def in_page(text: str) -> list[tuple[int, str]]:
    return found("docs/page.md", PROSE["markdown"](text))


def in_code(text: str, with_texts: bool = False) -> list[tuple[int, str]]:
    return found("tests/code.py", PROSE["python"](text, with_texts))


def in_template(text: str) -> list[tuple[int, str]]:
    return found("templates/page.html", PROSE["template"](text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A title.\n\nWhoever pays waits.", [(3, "whoever")]),
        ("# Whoever pays", [(1, "whoever")]),
        ("* one\n* Nexi is asked\n  about it", [(2, "asked about")]),
        ("| a | b |\n|---|---|\n| c | not enough money |", [(3, "not enough money")]),
        ("[at the bank](page.md)", [(1, "at the bank")]),
        (
            "It ends by itself. It was given back.",
            [(1, "by itself"), (1, "given back")],
        ),
    ],
)
def test_a_phrase_is_found_in_a_page(
    text: str, expected: list[tuple[int, str]]
) -> None:
    assert sorted(in_page(text)) == sorted(expected)


@pytest.mark.parametrize(
    "text",
    [
        "The name `whoever` stays.",
        "``a `whoever` b`` stays, and `who\never`.",
        "```py\nwhoever = 1\n```",
        "~~~\nwhoever\n~~~\n",
        "<!-- whoever -->",
        "[decision](whoever.md)",
        "The setting MAILS names emails, and e-mails.",  # a setting is no phrase
        "They sell it; the shop tells them.",
        "Refunds are given. Back they go.",
    ],
)
def test_code_and_other_words_are_no_finding(text: str) -> None:
    assert in_page(text) == []


def test_a_block_of_code_ends_where_its_fence_does() -> None:
    assert in_page("```\nwhoever\n```\nwhoever") == [(4, "whoever")]
    assert in_page("````\n```\nwhoever\n````\nwhoever") == [(5, "whoever")]


def test_a_phrase_is_found_in_docstrings_and_comments() -> None:
    code = (
        '"""Asks whoever\n\nruns it: off they go."""\n'
        "def f() -> None:\n"
        '    """By itself."""\n'
        "    x = 1  # nobody knows\n"
        "    # Nexi is asked\n"
        "    # about it\n"
        "    #: the floor\n"
    )
    assert in_code(code) == [
        (1, "whoever"),
        (3, "off they go"),
        (5, "by itself"),
        (6, "nobody knows"),
        (7, "asked about"),
        (9, "the floor"),
    ]


def test_code_in_a_docstring_is_no_finding() -> None:
    code = (
        '"""Reads ``whoever``::\n\n    whoever = 1\n\n>>> whoever\n\nwhoever"""\n'
        "whoever = 1  # `whoever`\n"
    )
    assert in_code(code) == [(7, "whoever")]


def test_strings_are_read_where_they_are_texts() -> None:
    code = '_ = f(\n    "not enough"\n    " money",\n    b"whoever",\n)\n'
    assert in_code(code) == []
    assert in_code(code, with_texts=True)[0] == (2, "not enough money")
    assert PROSE["DATA"]["texts"] == ["nexi_payments/", "demo_shop/", "docs/_ext/"]


def test_a_template_is_read_without_its_tags() -> None:
    page = (
        '<p title="whoever">{% if whoever %}{{ whoever }}\n'
        '{% translate "Given back" %}</p><script>whoever</script>\n'
        "{% blocktranslate %}whoever {{ x }}{% endblocktranslate %}"
    )
    assert sorted(in_template(page)) == [(2, "given back"), (3, "whoever")]


def test_a_sentence_of_a_page_has_at_most_forty_words() -> None:
    forty = "one " + "two " * 38 + "`a code span`."
    assert in_page(f"{forty} {forty.capitalize()}") == []
    text = f"Short.\n\n{forty[:-1]} more."
    assert in_page(text) == [(3, "sentence of 41 words")]
    assert in_code(f'"""{text}"""') == []
    assert in_page(f"| {'CHF ' * 50}|") == []


def test_strings_and_comments_are_those_of_the_language() -> None:
    """What ``tokenize`` finds in a source with all kinds of quotes."""
    code = (
        "x = \"a # b\" + 'it\\'s' + r'\\d#' + f\"{y}'\"  # c \"d\n"
        "z = '''e\n\"\"\" # f\\'''' + \"\" + b'#'  # g 'h'\n"
        "# '''\n"
        'w = """i\n# j \\""" k\n"""  # """\n'
    )
    kinds = {tokenize.STRING, tokenize.COMMENT}
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    if sys.version_info < (3, 12):  # later the parts of an f-string are tokens
        assert [one.group() for one in PROSE["LEXEMES"].finditer(code)] == [
            one.string for one in tokens if one.type in kinds
        ]
    comments = [
        one["comment"] for one in PROSE["LEXEMES"].finditer(code) if one["comment"]
    ]
    assert comments == ['# c "d', "# g 'h'", "# '''", '# """']


@pytest.mark.parametrize("row", PHRASES, ids=lambda row: row["pattern"][:30])
def test_each_phrase_says_what_is_better(row: dict[str, str]) -> None:
    assert set(row) == {"pattern", "better", "reason"}
    assert row["better"]
    assert row["reason"]
    assert row["pattern"] == row["pattern"].lower()
    assert sum(one["pattern"] == row["pattern"] for one in PHRASES) == 1


def test_the_command_names_path_line_and_what_to_write(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    command = [sys.executable, ".ci/prose.py", str(page)]

    page.write_text("Plain.\n\nIt ends by itself.\n")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == (
        f"{page}:3: by itself -> automatically; name what does it (say who does what)\n"
    )

    page.write_text("Plain. Two words.\n")
    done = subprocess.run(
        [*command, "--figures"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].split()[-3:] == ["2", "1.5", "0.0%"]
