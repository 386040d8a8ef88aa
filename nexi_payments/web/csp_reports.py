"""Reports of browsers that our Content-Security-Policy has blocked something.

The address of a page in a report holds the payment's secret, and a sample may hold
anything. So only what is listed here is kept, each in a form of its own: origins,
directives, numbers. Nothing is stored; the log has one line for each report.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

#: The name of our endpoint in ``Reporting-Endpoints`` and ``report-to``.
ENDPOINT: Final = "nexi-payments"
MAX_BYTES: Final = 16 * 1024
#: In one request: browsers send several at once.
MAX_REPORTS: Final = 20
#: Requests a minute and process: of one IP address, and of all.
PER_ADDRESS: Final = 10
PER_PROCESS: Final = 120
_WINDOW: Final = 60.0

_DIRECTIVE: Final = re.compile(r"[a-z-]{1,40}", re.ASCII)
_KEYWORD: Final = re.compile(r"[a-z-]{1,24}", re.ASCII)
_HOST: Final = re.compile(r"[a-z0-9.-]{1,253}|\[[0-9a-f:]{2,45}\]", re.ASCII)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,31}", re.ASCII)
#: Something of the visitor's own browser, and no attack on the page.
_EXTENSION_SUFFIX: Final = "-extension"
UNKNOWN: Final = "?"


@dataclass(frozen=True)
class Violation:
    """One report. ``page``, ``blocked`` and ``source`` are origins, or keywords such as
    "inline"; "?" is what could not be read."""

    directive: str
    blocked: str
    page: str
    source: str
    line: int
    disposition: str

    @property
    def is_of_an_extension(self) -> bool:
        """Caused by an extension of the visitor's browser."""
        schemes = (one.partition(":")[0] for one in (self.blocked, self.source))
        return any(scheme.endswith(_EXTENSION_SUFFIX) for scheme in schemes)


def violations(document: Any) -> Iterator[Violation]:
    """The violations of a body: of the Reporting API (a list), or of ``report-uri``
    (``{"csp-report": {…}}``). Anything else is skipped."""
    if isinstance(document, dict):
        report = document.get("csp-report")
        if isinstance(report, dict):
            yield _violation(report, "document-uri", "blocked-uri", "source-file")
        return
    for one in document[:MAX_REPORTS] if isinstance(document, list) else ():
        body = one.get("body") if isinstance(one, dict) else None
        if isinstance(body, dict) and one.get("type") == "csp-violation":
            yield _violation(body, "documentURL", "blockedURL", "sourceFile")


def _violation(
    report: dict[str, Any], page: str, blocked: str, source: str
) -> Violation:
    names = ("effective-directive", "effectiveDirective", "violated-directive")
    directive = next((report[name] for name in names if name in report), "")
    line = report.get("line-number", report.get("lineNumber"))
    return Violation(
        directive=_matching(_DIRECTIVE, str(directive).partition(" ")[0]),
        blocked=origin(report.get(blocked)),
        page=origin(report.get(page)),
        source=origin(report.get(source)),
        line=line if type(line) is int and 0 <= line < 1_000_000 else 0,
        disposition=_matching(_KEYWORD, report.get("disposition")),
    )


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else UNKNOWN


def origin(url: Any) -> str:
    """Scheme and host of an address, without path, query and user; the scheme alone of
    "data:…"; a keyword as it is; "?" for anything else."""
    text = url[:2048] if isinstance(url, str) else ""
    if _KEYWORD.fullmatch(text):
        return text
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return UNKNOWN
    host = f"[{host}]" if ":" in host else host
    if not _SCHEME.fullmatch(parts.scheme) or (host and not _HOST.fullmatch(host)):
        return UNKNOWN
    address = f"{parts.scheme}://{host}" if host else f"{parts.scheme}:"
    return f"{address}:{port}" if port else address


class Limiter:
    """Counts requests in windows of a minute. In the memory of the process: a flood of
    reports must cost neither the database nor the cache anything."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._total = 0
        self._until = 0.0

    def admit(self, address: str) -> bool:
        """Counts a request; False above a limit. Never keeps more addresses than
        requests are admitted."""
        with self._lock:
            now = monotonic()
            if now >= self._until:
                self._counts.clear()
                self._total, self._until = 0, now + _WINDOW
            if self._total >= PER_PROCESS or self._counts[address] >= PER_ADDRESS:
                return False
            self._total += 1
            self._counts[address] += 1
            return True


LIMITER: Final = Limiter()
