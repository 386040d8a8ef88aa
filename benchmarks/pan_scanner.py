"""``python -m benchmarks.pan_scanner``: what it costs to look for card numbers.

A text from outside that is longer than the cap is refused unread; a scan of the whole
grows with the length. Exits 1 when 1 MiB costs 10 ms of CPU or a doubled text more than
three times as much.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from nexi_payments.pan_scanner import MAX_TEXT_LENGTH, Scan, contains_card_number

MIB = 1024 * 1024
TEXTS = {
    "digits, one by one": "1 ",
    "one run of digits": "4",
    "zero-width between": "4\u200b",
    "groups of forty": "4" * 40 + " ",
    "words": "Two books, one lamp. ",
}


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds of CPU, the least of some rounds."""
    least = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        work()
        least = min(least, time.process_time() - begun)
    return least * 1000


def main() -> int:
    failed = False
    print(f"{'':22}{'1 MiB refused':>15}{'at the cap':>12}", end="")
    print("".join(f"{size // 1024:>9} KiB" for size in (64 * 1024, MIB // 8, MIB // 4)))
    for name, unit in TEXTS.items():
        long = (unit * MIB)[:MIB]
        refused = cpu_ms(lambda text=long: contains_card_number(text), 5)
        longest = cpu_ms(
            lambda text=long[:MAX_TEXT_LENGTH]: contains_card_number(text), 5
        )
        whole = [
            cpu_ms(lambda text=long[:size]: Scan().first(text), 3)
            for size in (64 * 1024, MIB // 8, MIB // 4)
        ]
        print(f"{name:22}{refused:12.4f} ms{longest:9.2f} ms", end="")
        print("".join(f"{one:10.1f} ms" for one in whole))
        failed = failed or refused >= 10 or whole[2] > 9 * max(whole[0], 1)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
