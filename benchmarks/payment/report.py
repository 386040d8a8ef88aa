"""From ``results.json`` to the tables of ``docs/performance.md``.

python -m benchmarks.payment.report
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
PAGE = ROOT / "docs/performance.md"
PLACE = re.compile(
    r"(<!-- measured: ([\w-]+) -->\n).*?(<!-- until here -->)", re.DOTALL
)


def read() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def keep(name: str, result: Any) -> None:
    """Puts one result beside the others, and writes the tables."""
    results = {**read(), name: result}
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    write()


def write() -> None:
    if PAGE.exists():
        PAGE.write_text(filled(PAGE.read_text()))


def filled(page: str) -> str:
    """The page with every marked place as the results have it."""
    results = read()

    def fill(match: re.Match[str]) -> str:
        made = TABLES[match[2]](results) if match[2] in TABLES else ""
        return match[1] + made + match[3]

    return PLACE.sub(fill, page)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def quartiles(values: Sequence[float]) -> list[float]:
    """First quartile, median, third."""
    cuts = statistics.quantiles(values, n=4, method="inclusive")
    return [round(cut, 3) for cut in cuts]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """ "4.1 [3.7, 4.6]": the median, and the quartiles."""
    low, middle, high = (f"{value:.{digits}f}" for value in values)
    return f"{middle} [{low}, {high}]"


def cell_in_text(cell: dict[str, Any]) -> str:
    """For the terminal."""
    scheme = "TLS" if cell["tls"] else "http"
    lines = [
        f"{cell['database']}, {scheme}, gateway {cell['latency_ms']} ms;"
        f" a fixed piece of work took {spread(cell['spin_ms'])} ms",
        f"{'':28} {'CPU ms':>20} {'/ floor':>18} {'wall - gateway':>20}"
        f" {'SQL':>4} {'txn':>4} {'conn':>4} {'calls':>7} {'/ floor':>7} {'KiB':>6}",
    ]
    for name, one in cell["flows"].items():
        ratio = spread(one["cpu_ratio"], 2) if "cpu_ratio" in one else ""
        line = (
            f"{name:28} {spread(one['cpu_ms']):>20} {ratio:>18}"
            f" {spread(one['over_ms']):>20}"
        )
        if "calls" in one:
            line += (
                f" {one['statements']:4} {one['transactions']:4}"
                f" {one['connections']:4} {one['calls']:7}"
                f" {one.get('calls_ratio', ''):>7} {one['peak_kib']:6}"
            )
        lines.append(line)
    return "\n".join([*lines, ""])


def _cell(results: dict[str, Any], database: str, tls: bool, latency: int) -> Any:
    for cell in results.get("payment", {}).get("cells", ()):
        if (cell["database"], cell["tls"], cell["latency_ms"]) == (
            database,
            tls,
            latency,
        ):
            return cell
    return {"flows": {}}


def _in_order(flows: dict[str, Any]) -> list[tuple[str, Any]]:
    """By kind, the floor first, then ours, then the others."""
    kinds = ("MOTO", "2 steps", "3 steps")

    def place(item: tuple[str, Any]) -> tuple[int, int]:
        name = item[0]
        kind = next((n for n, kind in enumerate(kinds) if kind in name), 0)
        who = 0 if name.startswith("floor") else 1 if name.startswith("ours") else 2
        return kind, who

    return sorted(flows.items(), key=place)


def machine(results: dict[str, Any]) -> str:
    run = results.get("payment")
    if run is None:
        return ""
    spins = [cell["spin_ms"] for cell in run["cells"]]
    packages = ", ".join(f"{name} {number}" for name, number in run["packages"].items())
    return (
        f"Measured {run['when']} on {run['cores']} cores, {run['rounds']} alternating"
        f" rounds: {packages}. A fixed piece of work took"
        f" {min(spin[1] for spin in spins):.1f} ms (median) in the quietest cell and"
        f" {max(spin[1] for spin in spins):.1f} ms in the noisiest.\n"
    )


def counts(results: dict[str, Any]) -> str:
    sqlite, postgres = (
        _cell(results, name, False, 0)["flows"] for name in ("sqlite", "postgresql")
    )
    return table(
        (
            *("one payment", "SQL", "transactions", "new connections"),
            *("function calls", "/ floor", "the same, PostgreSQL", "peak KiB"),
        ),
        (
            (
                name,
                str(one["statements"]),
                str(one["transactions"]),
                str(one["connections"]),
                f"{one['calls']:,}",
                f"{one['calls_ratio']:.2f}" if "calls_ratio" in one else "1",
                f"{postgres[name].get('calls_ratio', 1):.2f}"
                if name in postgres
                else "",
                f"{one['peak_kib']:.0f}",
            )
            for name, one in _in_order(sqlite)
        ),
    )


def times(database: str, tls: bool) -> Callable[[dict[str, Any]], str]:
    def made(results: dict[str, Any]) -> str:
        cells = [_cell(results, database, tls, ms) for ms in (0, 20, 200)]

        def each(name: str, figure: str, digits: int) -> Iterator[str]:
            for one in (cell["flows"].get(name, {}) for cell in cells):
                yield spread(one[figure], digits) if figure in one else "1"

        return table(
            (
                *("one payment", "CPU ms", "CPU / floor, 0 ms", "20 ms", "200 ms"),
                *("wall − gateway, 0 ms", "20 ms", "200 ms"),
            ),
            (
                (
                    name,
                    spread(one["cpu_ms"]),
                    *each(name, "cpu_ratio", 2),
                    *each(name, "over_ms", 1),
                )
                for name, one in _in_order(cells[0]["flows"])
            ),
        )

    return made


def simulator(results: dict[str, Any]) -> str:
    rates = results.get("simulator", {})
    return table(
        ("the simulator", "payments a second"),
        ((name, f"{value:,}") for name, value in rates.items()),
    )


def start(results: dict[str, Any]) -> str:
    return _starts("with ours", results.get("start", {}))


def start_beside(results: dict[str, Any]) -> str:
    """``manage.py check`` with ours, and with others."""
    found = results.get("start beside", {})
    ours = results.get("start", {}).get("`manage.py check`")
    named = {"nexi_payments": ours, **found} if ours else found
    return _starts("with it", named)


def _starts(title: str, found: dict[str, Any]) -> str:
    return table(
        ("CPU ms of a process", "bare", title, "added", "ratio", "MiB", "MiB"),
        (
            (
                name,
                spread(one["bare_ms"], 0),
                spread(one["ours_ms"], 0),
                spread(one["added_ms"], 0),
                spread(one["ratio"], 2),
                f"{one['bare_mib'][1]:.1f}",
                f"{one['ours_mib'][1]:.1f}",
            )
            for name, one in found.items()
        ),
    )


def start_parts(results: dict[str, Any]) -> str:
    """The parts that take more than two per cent of the imports."""
    found = results.get("start parts", {})
    order = sorted(found.items(), key=lambda item: -item[1]["share"][1])
    return table(
        ("what `manage.py check` imports more", "modules", "of the time"),
        (
            (f"`{name}`", str(one["modules"]), f"{one['share'][1]:.0%}")
            for name, one in order
            if one["share"][1] >= 0.02
        ),
    )


def growth(results: dict[str, Any]) -> str:
    found = {
        name: results[f"growth-{name}"]["sizes"]
        for name in ("sqlite", "postgresql")
        if f"growth-{name}" in results
    }
    return table(
        ("orders in the table", "MOTO: CPU / floor", "3 steps: CPU / floor"),
        (
            (
                f"{one['rows']:,} ({name})",
                spread(one["ratios"]["MOTO"], 2),
                spread(one["ratios"]["3 steps"], 2),
            )
            for name, sizes in found.items()
            for one in sizes
        ),
    )


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "machine": machine,
    "counts": counts,
    "postgresql": times("postgresql", False),
    "postgresql-tls": times("postgresql", True),
    "sqlite": times("sqlite", False),
    "sqlite-tls": times("sqlite", True),
    "simulator": simulator,
    "start": start,
    "start-beside": start_beside,
    "start-parts": start_parts,
    "growth": growth,
}


if __name__ == "__main__":
    write()
