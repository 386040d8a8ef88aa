"""What a database says of itself: plans, blocks read, what tables and indexes weigh."""

from __future__ import annotations

import json
import re
from pathlib import Path

from django.db import connection


def query_plan(sql: str) -> str:
    words = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
    with connection.cursor() as cursor:
        cursor.execute(words + sql)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def blocks_read(sql: str) -> int:
    """How many blocks of 8 kB PostgreSQL looked at for the answer: the same number on a
    machine that is busy. 0 on SQLite, where the time of this process says it all."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql)
        (answer,) = cursor.fetchone()
    found = answer if isinstance(answer, list) else json.loads(answer)
    top = found[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


def indexes_in(text: str) -> list[str]:
    """The indexes that a plan names; "whole TABLE" where it reads all of a table."""
    found = re.findall(r"(?:Scan (?:Backward )?using|Index Scan on) (\w+)", text)
    found += re.findall(r"(?:SCAN|SEARCH) .*? INDEX (\w+)", text)
    found += ["id"] * len(re.findall(r"USING INTEGER PRIMARY KEY", text))
    scanned = re.findall(r"Seq Scan on (nexi_\w+)", text)
    scanned += re.findall(r"^SCAN (nexi_\w+)\b(?! USING)", text, re.MULTILINE)
    return list(dict.fromkeys(found)) + [f"whole {name}" for name in set(scanned)]


def memory_mib() -> float:
    """MiB that this process holds."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def relation_sizes() -> dict[str, float]:
    """MB of each of our tables and indexes."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT relname, pg_relation_size(oid) FROM pg_class"
                " WHERE relname LIKE 'nexi%' AND relkind IN ('r', 'i')"
            )
        else:
            cursor.execute(
                "SELECT name, SUM(pgsize) FROM dbstat WHERE name LIKE '%nexi%'"
                " GROUP BY name"
            )
        return {name: round(size / 1e6, 1) for name, size in cursor.fetchall()}
