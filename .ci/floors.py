"""Prints the oldest release of each dependency that setup.cfg allows: ``make matrix
DJANGO=floors`` installs exactly these."""

from __future__ import annotations

import configparser
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
#: Extras whose hosts have an environment of their own (make bridges).
ELSEWHERE = {"django-payments", "oscar"}


def floors() -> list[str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    lines = setup["options"]["install_requires"].splitlines()
    for name in set(extras) - ELSEWHERE:
        lines += extras[name].splitlines()
    wanted = [Requirement(one) for one in lines if one and not one.startswith("#")]
    return sorted(
        {
            f"{one.name}=={bound.version}"
            for one in wanted
            for bound in one.specifier
            if bound.operator == ">="
        }
    )


if __name__ == "__main__":
    print(*floors(), sep="\n")
