"""``make bench NAME=load``: one benchmark by its name, with its own options.

python -m benchmarks NAME [options]
"""

from __future__ import annotations

import runpy
import sys
from typing import Final

#: name → (module, what it measures)
NAMES: Final = {
    "payment": ("payment", "one payment beside the baseline and other packages"),
    "statements": ("payment.statements", "statements by hand beside querysets"),
    "growth": ("payment.growth", "a payment with a million orders behind it; memory"),
    "start": ("payment.startup", "a start with our package, without, and with others"),
    "simulator": ("payment.simulator", "payments a second that the simulator takes"),
    "admin": ("admin_pages", "the admin's pages on a million rows"),
    "load": ("load", "servers, pools and databases under 64 shoppers at 800 ms"),
    "scale": ("scale", "pages and plans at 10,000, 1 and 5 million orders"),
    "cluster": ("cluster", "four web and two Celery processes, one killed"),
    "inquiry": ("inquiry", "one status inquiry, with 1, 5 and 20 operations"),
    "closing": ("closing", "a day of 100,000 operations compared with Nexi; memory"),
    "reconciler": ("reconciler", "a pass over a large table, and several workers"),
    "deliveries": ("deliveries", "10,000 signals beside 100 receivers that hang"),
    "scanner": ("pan_scanner", "the search for card numbers in long texts"),
}


def main() -> None:
    name, *options = sys.argv[1:] or ["list"]
    if name not in NAMES:
        width = max(map(len, NAMES))
        for known, (_, measures) in NAMES.items():
            print(f"{known:{width}}  {measures}")
        sys.exit(name != "list")
    sys.argv = [f"benchmarks {name}", *options]
    # "payment" is a package: runpy takes its __main__
    runpy.run_module(f"benchmarks.{NAMES[name][0]}", run_name="__main__")


if __name__ == "__main__":
    main()
