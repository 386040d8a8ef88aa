"""Looks for phrases that this project does not write, and for sentences that are too long.

    python .ci/prose.py              # all files of the repository: ``make lint``
    python .ci/prose.py docs/api.md  # these only
    python .ci/prose.py --figures    # how long the sentences are, too

It reads pages, docstrings, comments, and the texts of the package, of the demo and of
their templates. Code spans and code blocks are left out: a name may say what prose may
not. The phrases, and files that quote them, are in ``prose.toml``. A finding is
``path:line: phrase -> better (reason)``; with one or more the exit status is 1.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DATA = tomllib.loads((Path(__file__).parent / "prose.toml").read_text("utf-8"))
#: Words of the longest sentence that a page may have, and from where one counts as long.
LONGEST, LONG = 40, 25


class Block(NamedTuple):
    """Text without code that is read in one piece: its lines with their numbers.

    ``kind``: "prose" (has sentences), "cell" (of a table), "title" or "text"."""

    kind: str
    lines: tuple[tuple[int, str], ...]


class Finding(NamedTuple):
    path: str
    line: int
    text: str


class Phrase(NamedTuple):
    pattern: re.Pattern[str]
    better: str
    reason: str


def words(pattern: str) -> re.Pattern[str]:
    """Whole words; a space is any white space, as lines are wrapped."""
    return re.compile(rf"\b(?:{pattern.replace(' ', chr(92) + 's+')})\b")


PHRASES = [
    Phrase(words(one["pattern"]), one["better"], one["reason"])
    for one in DATA["phrase"]
]
#: Finds what any of them finds: most blocks are searched once, not once for each.
ANY = words("|".join(f"(?:{one['pattern']})" for one in DATA["phrase"]))


# -- Markdown ---------------------------------------------------------------------------

FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
#: the reference of a link is not prose, its text is
LINK_TARGET = re.compile(r"\]\([^)\s]*\)|<https?:[^>]*>|https?://\S+|\{[a-z:]+\}(?=`)")
CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+|^\s*>\s?")
RULE = re.compile(r"^[\s|:=-]+$")
#: stands for a code span: one word, and in no pattern
CODE = "\N{BULLET}"


def without_code(text: str) -> str:
    """``text`` with a sign for each code span and without targets of links; same lines."""

    def sign(match: re.Match[str]) -> str:
        return CODE + "\n" * match[0].count("\n")

    return LINK_TARGET.sub("]", CODE_SPAN.sub(sign, text))


def markdown(text: str) -> Iterator[Block]:
    """Paragraphs, items, titles and cells of a page."""
    text = re.sub(
        r"<!--.*?-->", lambda one: "\n" * one[0].count("\n"), text, flags=re.S
    )
    kept, fence = [], ""
    for line in text.split("\n"):
        mark = FENCE.match(line)
        if mark and (not fence or line.strip() == fence):
            fence = "" if fence else mark[1]
            line = ""
        kept.append("" if fence else line)
    piece: list[tuple[int, str]] = []
    for number, line in enumerate([*without_code("\n".join(kept)).split("\n"), ""], 1):
        starts = ITEM.match(line)
        special = line.lstrip().startswith(("|", "#")) or RULE.match(line)
        if piece and (not line.strip() or starts or special):
            yield Block("prose", tuple(piece))
            piece = []
        if line.lstrip().startswith("|"):
            if not RULE.match(line):
                for cell in line.strip().strip("|").split("|"):
                    yield Block("cell", ((number, cell.strip()),))
        elif line.startswith("#"):
            yield Block("title", ((number, line.lstrip("# ")),))
        elif line.strip() and not special:
            piece.append((number, line[starts.end() :] if starts else line))


# -- Python -----------------------------------------------------------------------------

#: Strings and comments. ``tokenize`` finds the same, and takes four seconds more.
LEXEMES = re.compile(
    r'(?P<long>[rRbBuUfF]{0,2}(?P<q>"""|\'\'\')(?:[^\\]|\\.)*?(?P=q))'
    r'|(?P<short>[rRbBuUfF]{0,2}(?:"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'))'
    r"|(?P<comment>\#[^\n]*)",
    re.S,
)
#: between two strings that Python joins
JOINED = re.compile(r"(?:\s|\#[^\n]*\n)*")
NOT_PROSE = re.compile(
    r"^#\s*(?:noqa|type:|pragma|fmt:|-\*-|!)|\s#\s*(?:noqa|type:).*$"
)
DOCTEST = re.compile(r"^\s*(?:>>>|\.\.\. )")


def numbered(text: str, first: int) -> list[tuple[int, str]]:
    return list(enumerate(text.split("\n"), first))


def paragraphs(lines: list[tuple[int, str]]) -> Iterator[Block]:
    """Paragraphs and items of a docstring or a comment, without its examples."""
    kept: list[tuple[int, str]] = []
    deeper, before = -1, ""
    for number, line in lines:
        depth = len(line) - len(line.lstrip())
        if line.strip() and deeper >= 0:
            deeper = deeper if depth > deeper else -1
        if line.strip() and deeper < 0 and before.endswith("::"):
            deeper = depth - 1
        if line.strip():
            before = line.rstrip()
        shown = deeper < 0 and not DOCTEST.match(line)
        kept.append((number, line if shown else ""))
    first = kept[0][0]
    for block in markdown("\n".join(line for _, line in kept)):
        moved = tuple(
            (number + first - 1, line.strip()) for number, line in block.lines
        )
        yield Block(block.kind, moved)


def python(text: str, with_texts: bool) -> Iterator[Block]:
    """Docstrings and comments; ``with_texts``: other strings, too."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    comment: list[tuple[int, str]] = []
    column = end = -1
    string: list[tuple[int, str]] = []
    for match in LEXEMES.finditer(text):
        number = bisect_right(starts, match.start())
        place = match.start() - starts[number - 1]
        alone = not text[starts[number - 1] : match.start()].strip()
        below = comment and alone and (number, place) == (comment[-1][0] + 1, column)
        if comment and not (match["comment"] and below):
            yield from paragraphs(comment)
            comment = []
        if match["comment"]:
            said = NOT_PROSE.sub("", match[0]).lstrip("#:").lstrip()
            comment.append((number, said))
            column = place
            continue
        if string and not JOINED.fullmatch(text, end, match.start()):
            yield Block("text", tuple(string))
            string = []
        end = match.end()
        if match["long"] and alone and match[0][0] not in "bBfF":
            body = match[0].lstrip("rRuU")[3:-3]
            yield from paragraphs(numbered(body, number))
        elif with_texts:
            body = match[0].lstrip("rRbBuUfF").strip("\"'")
            string += numbered(without_code(body), number)
    if comment:
        yield from paragraphs(comment)
    if string:
        yield Block("text", tuple(string))


# -- templates --------------------------------------------------------------------------

TAG = re.compile(r"<!--|-->|\{#|#\}|<[^>]*>|\{\{.*?\}\}|\{%.*?%\}", re.S)
TRANSLATED = re.compile(r"""\{%\s*(?:translate|trans)\s+(["'])(.*?)\1""", re.S)
SCRIPT = re.compile(r"<(script|style)\b.*?</\1>", re.S)


def template(text: str) -> Iterator[Block]:
    """What a page or an e-mail says, line by line."""

    def said(match: re.Match[str]) -> str:
        text_of_tag = TRANSLATED.match(match[0])
        kept = text_of_tag[2] if text_of_tag else CODE
        return kept + "\n" * (match[0].count("\n") - kept.count("\n"))

    text = SCRIPT.sub(lambda one: "\n" * one[0].count("\n"), text)
    yield Block("text", tuple(numbered(TAG.sub(said, text), 1)))


# -- findings and figures ---------------------------------------------------------------

END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<=[.!?])[\"”’)*_]*\s+(?=[^a-z])")
WORD = re.compile(rf"[\w{CODE}][\w{CODE}'’./-]*")


def sentences(block: Block) -> Iterator[tuple[int, int]]:
    """For each sentence: its line and its number of words."""
    text = "\n".join(line for _, line in block.lines)
    place = 0
    for end in [*(match.end() for match in END.finditer(text)), len(text)]:
        count = len(WORD.findall(text, place, end))
        if count:
            yield block.lines[text.count("\n", 0, place)][0], count
        place = end


def findings_of(path: str, blocks: list[Block]) -> Iterator[Finding]:
    for block in blocks:
        text = "\n".join(line for _, line in block.lines)
        for phrase in PHRASES if ANY.search(text.lower()) else ():
            for match in phrase.pattern.finditer(text.lower()):
                if text[match.start() : match.end()].isupper():
                    continue  # the name of a setting
                number = block.lines[text.count("\n", 0, match.start())][0]
                said = " ".join(match[0].split())
                better = f"{phrase.better} ({phrase.reason})"
                yield Finding(path, number, f"{said} -> {better}")
        # a cell without a small letter lists currencies
        is_said = block.kind in ("prose", "cell") and not text.isupper()
        for number, count in sentences(block) if is_said else ():
            if count > LONGEST and path.endswith(".md"):
                better = f"split it: at most {LONGEST}"
                yield Finding(path, number, f"sentence of {count} words -> {better}")


def group_of(path: str) -> str:
    """The row of the figures that a file counts in."""
    folder = path.rpartition("/")[0]
    if path.endswith(".md"):
        return {"": "pages of the root", "docs": "docs"}.get(folder, folder)
    return f"docstrings and comments of {path.split('/')[0]}"


def blocks_of(path: str) -> list[Block]:
    text = (ROOT / path).read_text("utf-8")
    if path.endswith(".py"):
        return list(python(text, path.startswith(tuple(DATA["texts"]))))
    return list(markdown(text) if path.endswith(".md") else template(text))


def files() -> list[str]:
    listing = ["git", "ls-files", "-co", "--exclude-standard", *DATA["files"]]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True)
    names = set(listed.stdout.decode().splitlines()) - set(DATA["left_out"])
    return [one for one in sorted(names) if (ROOT / one).is_file()]


def main() -> int:
    options = argparse.ArgumentParser(description="The prose of this project.")
    options.add_argument("--figures", action="store_true", help="lengths of sentences")
    options.add_argument("paths", nargs="*", help="these files instead of all")
    given = options.parse_args()
    found: list[Finding] = []
    lengths: dict[str, list[int]] = defaultdict(list)
    for path in given.paths or files():
        blocks = blocks_of(path)
        found += findings_of(path, blocks)
        for block in blocks:
            if block.kind == "prose":
                lengths[group_of(path)] += [count for _, count in sentences(block)]
    for finding in sorted(found):
        print("{}:{}: {}".format(*finding))
    if given.figures:
        print(f"{'group':<44} sentences  mean words  over {LONG}")
        for name, counts in sorted(lengths.items()):
            over = sum(count > LONG for count in counts) / len(counts)
            mean = sum(counts) / len(counts)
            print(f"{name:<44} {len(counts):>9}  {mean:>10.1f}  {over:>7.1%}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
