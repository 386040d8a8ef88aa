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
PLACEHOLDER = re.compile(
    r"(<!-- measured: ([\w-]+) -->\n).*?(<!-- until here -->)", re.DOTALL
)


def load_results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def save(name: str, result: Any) -> None:
    """Puts one result beside the others, and writes the tables."""
    results = {**load_results(), name: result}
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    write_page()


def write_page() -> None:
    if PAGE.exists():
        PAGE.write_text(fill_page(PAGE.read_text()))


def fill_page(page: str) -> str:
    """The page with every marked place as the results have it."""
    results = load_results()

    def fill(match: re.Match[str]) -> str:
        made = TABLES[match[2]](results) if match[2] in TABLES else ""
        return match[1] + made + match[3]

    return PLACEHOLDER.sub(fill, page)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def quartiles(values: Sequence[float]) -> list[float]:
    """First quartile, median, third."""
    cuts = statistics.quantiles(values, n=4, method="inclusive")
    return [round(cut, 3) for cut in cuts]


def median_and_quartiles(values: Sequence[float], digits: int = 1) -> str:
    """ "4.1 [3.7, 4.6]": the median, and the quartiles."""
    low, middle, high = (f"{value:.{digits}f}" for value in values)
    return f"{middle} [{low}, {high}]"


def case_as_text(cell: dict[str, Any]) -> str:
    """For the terminal."""
    scheme = "TLS" if cell["tls"] else "http"
    lines = [
        f"{cell['database']}, {scheme}, gateway {cell['latency_ms']} ms;"
        f" a fixed piece of work took {median_and_quartiles(cell['spin_ms'])} ms",
        f"{'':36} {'CPU ms':>20} {'/ baseline':>18} {'wall - gateway':>20}"
        f" {'SQL':>4} {'txn':>4} {'conn':>4} {'calls':>7} {'/ base':>7} {'KiB':>6}",
    ]
    for name, one in cell["flows"].items():
        ratio = median_and_quartiles(one["cpu_ratio"], 2) if "cpu_ratio" in one else ""
        line = (
            f"{name:36} {median_and_quartiles(one['cpu_ms']):>20} {ratio:>18}"
            f" {median_and_quartiles(one['over_ms']):>20}"
        )
        if "calls" in one:
            line += (
                f" {one['statements']:4} {one['transactions']:4}"
                f" {one['connections']:4} {one['calls']:7}"
                f" {one.get('calls_ratio', ''):>7} {one['peak_kib']:6}"
            )
        lines.append(line)
    return "\n".join([*lines, ""])


def _case(results: dict[str, Any], database: str, tls: bool, latency: int) -> Any:
    for cell in results.get("payment", {}).get("cells", ()):
        if (cell["database"], cell["tls"], cell["latency_ms"]) == (
            database,
            tls,
            latency,
        ):
            return cell
    return {"flows": {}}


def _sorted_flows(flows: dict[str, Any]) -> list[tuple[str, Any]]:
    """By kind, the baseline first, then ours, then the others."""
    kinds = ("MOTO", "2 steps", "3 steps")

    def place(item: tuple[str, Any]) -> tuple[int, int]:
        name = item[0]
        kind = next((n for n, kind in enumerate(kinds) if kind in name), 0)
        who = 0 if name.startswith("baseline") else 1 if name.startswith("ours") else 2
        return kind, who

    return sorted(flows.items(), key=place)


def machine_line(results: dict[str, Any]) -> str:
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


def counts_table(results: dict[str, Any]) -> str:
    sqlite, postgres = (
        _case(results, name, False, 0)["flows"] for name in ("sqlite", "postgresql")
    )
    return markdown_table(
        (
            *("one payment", "SQL", "transactions", "new connections"),
            *("function calls", "/ baseline", "the same, PostgreSQL", "peak KiB"),
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
            for name, one in _sorted_flows(sqlite)
        ),
    )


def times_table(database: str, tls: bool) -> Callable[[dict[str, Any]], str]:
    def made(results: dict[str, Any]) -> str:
        cells = [_case(results, database, tls, ms) for ms in (0, 20, 200)]

        def each(name: str, figure: str, digits: int) -> Iterator[str]:
            for one in (cell["flows"].get(name, {}) for cell in cells):
                yield (
                    median_and_quartiles(one[figure], digits) if figure in one else "1"
                )

        return markdown_table(
            (
                *("one payment", "CPU ms", "CPU / baseline, 0 ms", "20 ms", "200 ms"),
                *("wall − gateway, 0 ms", "20 ms", "200 ms"),
            ),
            (
                (
                    name,
                    median_and_quartiles(one["cpu_ms"]),
                    *each(name, "cpu_ratio", 2),
                    *each(name, "over_ms", 1),
                )
                for name, one in _sorted_flows(cells[0]["flows"])
            ),
        )

    return made


def simulator_table(results: dict[str, Any]) -> str:
    rates = results.get("simulator", {})
    return markdown_table(
        ("the simulator", "payments a second"),
        ((name, f"{value:,}") for name, value in rates.items()),
    )


def startup_table(results: dict[str, Any]) -> str:
    return _startup_table("with ours", results.get("start", {}))


def startup_others_table(results: dict[str, Any]) -> str:
    """``manage.py check`` with ours, and with others."""
    found = results.get("start beside", {})
    ours = results.get("start", {}).get("`manage.py check`")
    named = {"nexi_payments": ours, **found} if ours else found
    return _startup_table("with it", named)


def _startup_table(title: str, found: dict[str, Any]) -> str:
    return markdown_table(
        ("CPU ms of a process", "bare", title, "added", "ratio", "MiB", "MiB"),
        (
            (
                name,
                median_and_quartiles(one["bare_ms"], 0),
                median_and_quartiles(one["ours_ms"], 0),
                median_and_quartiles(one["added_ms"], 0),
                median_and_quartiles(one["ratio"], 2),
                f"{one['bare_mib'][1]:.1f}",
                f"{one['ours_mib'][1]:.1f}",
            )
            for name, one in found.items()
        ),
    )


def startup_parts_table(results: dict[str, Any]) -> str:
    """The parts that take more than two per cent of the imports."""
    found = results.get("start parts", {})
    order = sorted(found.items(), key=lambda item: -item[1]["share"][1])
    return markdown_table(
        ("what `manage.py check` imports more", "modules", "of the time"),
        (
            (f"`{name}`", str(one["modules"]), f"{one['share'][1]:.0%}")
            for name, one in order
            if one["share"][1] >= 0.02
        ),
    )


def growth_table(results: dict[str, Any]) -> str:
    found = {
        name: results[f"growth-{name}"]["sizes"]
        for name in ("sqlite", "postgresql")
        if f"growth-{name}" in results
    }
    return markdown_table(
        ("orders in the table", "MOTO: CPU / baseline", "3 steps: CPU / baseline"),
        (
            (
                f"{one['rows']:,} ({name})",
                median_and_quartiles(one["ratios"]["MOTO"], 2),
                median_and_quartiles(one["ratios"]["3 steps"], 2),
            )
            for name, sizes in found.items()
            for one in sizes
        ),
    )


_VENDORS = ("sqlite", "postgresql")


def statement_calls_table(results: dict[str, Any]) -> str:
    return markdown_table(
        ("one call", "µs by hand", "µs as a queryset", "SQL", "SQL, queryset"),
        (
            (
                f"{name} ({vendor})",
                median_and_quartiles(one["hand"], 0),
                median_and_quartiles(one["queryset"], 0),
                str(one["hand_statements"]),
                str(one["queryset_statements"]),
            )
            for vendor in _VENDORS
            for name, one in _statements(results, vendor, "calls").items()
        ),
    )


def statement_payments_table(results: dict[str, Any]) -> str:
    return markdown_table(
        ("as querysets", "CPU ms", "CPU / by hand", "SQL", "function calls"),
        (
            (
                f"{kind}, {name} ({vendor})",
                median_and_quartiles(one["cpu_ms"]),
                median_and_quartiles(one["ratio"], 2),
                str(one["statements"]),
                f"{one['calls']:,}",
            )
            for vendor in _VENDORS
            for kind, variants in _statements(results, vendor, "payments").items()
            for name, one in variants.items()
        ),
    )


def _statements(results: dict[str, Any], vendor: str, part: str) -> dict[str, Any]:
    found: dict[str, Any] = results.get(f"statements-{vendor}", {}).get(part, {})
    return found


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "machine": machine_line,
    "counts": counts_table,
    "postgresql": times_table("postgresql", False),
    "postgresql-tls": times_table("postgresql", True),
    "sqlite": times_table("sqlite", False),
    "sqlite-tls": times_table("sqlite", True),
    "simulator": simulator_table,
    "start": startup_table,
    "start-beside": startup_others_table,
    "start-parts": startup_parts_table,
    "growth": growth_table,
    "statement-calls": statement_calls_table,
    "statement-payments": statement_payments_table,
}


if __name__ == "__main__":
    write_page()
