"""Reads a JUnit report: fails when a test was skipped, or when there was none."""

from __future__ import annotations

import sys
from xml.etree import ElementTree


def main(report: str) -> int:
    cases = list(ElementTree.parse(report).iter("testcase"))
    skipped = [case for case in cases if case.find("skipped") is not None]
    for case in skipped:
        print(f"skipped: {case.get('classname')}::{case.get('name')}")
    print(f"{report}: {len(cases)} tests, {len(skipped)} skipped")
    return 1 if skipped or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
