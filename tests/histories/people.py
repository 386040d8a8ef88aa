"""Shoppers and clerks on the wire: plain HTTP, a cookie jar, forms found on pages.

Whatever is cut or killed is an answer of ``None``, as for somebody whose browser says
that the page cannot be reached.
"""

from __future__ import annotations

import html
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from nexi_payments.simulator import TEST_CARDS

CARDS = {card.ending: card for card in TEST_CARDS[::-1]}
CSRF = "histories" * 3 + "12345"  # 32 characters, in the cookie and in each form
NOTHING = re.compile(r"Nothing (has been|was) charged")
THANKS = re.compile(r"Your card has been charged|The amount is reserved on your card")
_HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')


@dataclass
class Seen:
    """A page somebody read: which order it was about, what it said, when."""

    public_id: str
    nothing: bool
    thanks: bool
    asked: float
    read: float


@dataclass
class Log:
    """What the judge wants to know of everybody's doings."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: list[Seen] = field(default_factory=list)
    slowest: float = 0.0
    times: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    gone: int = 0
    #: contract → when its end was confirmed to whoever asked for it
    over: dict[str, float] = field(default_factory=dict)
    #: (cookies, path, fields) of every post that may be sent again at the end
    posts: list[tuple[dict[str, str], str, dict[str, str]]] = field(
        default_factory=list
    )


class Browser:
    """``who`` is the number of the history, for the judge."""

    def __init__(
        self, site: str, log: Log, cookies: dict[str, str], who: int = 0
    ) -> None:
        self.site, self.log, self.who = site, log, who
        self.cookies = {"csrftoken": CSRF, **cookies}

    def get(self, path: str) -> requests.Response | None:
        return self.ask("GET", path, {})

    def post(self, path: str, keep: bool = False, **fields: str) -> Any:
        """``keep``: to be sent again at the end, if it got an answer. One that was cut
        may never have been read: sent again, it would be the first."""
        cookies = dict(self.cookies)
        answer = self.ask("POST", path, fields)
        if keep and answer is not None:
            with self.log.lock:
                self.log.posts.append((cookies, path, fields))
        return answer

    def ask(self, method: str, path: str, fields: dict[str, str]) -> Any:
        url = urljoin(self.site, path)
        if not url.startswith(self.site):
            raise AssertionError(f"led away to {urlsplit(url).netloc}")
        data = {**fields, "csrfmiddlewaretoken": CSRF} if method == "POST" else None
        started = time.time()
        try:
            with requests.Session() as wire:
                wire.trust_env = False
                wire.cookies.update(self.cookies)
                answer = wire.request(
                    method, url, data=data, timeout=30, allow_redirects=False
                )
                self.cookies |= {
                    name: value or "" for name, value in wire.cookies.items()
                }
        except requests.RequestException:
            with self.log.lock:
                self.log.gone += 1
            return None
        now = time.time()
        with self.log.lock:
            self.log.times.append(now - started)
            if answer.status_code >= 500 and answer.status_code != 503:
                self.log.errors.append(
                    f"history {self.who}: {answer.status_code} {method} {path}"
                )
            if found := re.search(r"/result/([0-9a-f]{32})|/pay/([0-9a-f]{32})", path):
                self.log.seen.append(
                    Seen(
                        found[1] or found[2],
                        bool(NOTHING.search(answer.text)),
                        bool(THANKS.search(answer.text)),
                        started,
                        now,
                    )
                )
        return answer


def at_once(jobs: list[Callable[[], Any]]) -> list[Any]:
    """All of them at the same moment; what each gave."""
    if len(jobs) == 1:
        return [jobs[0]()]
    ready = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        ready.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def card(ending: str, name: str) -> dict[str, str]:
    it = CARDS[ending]
    return {
        "cardholder_name": name,
        "card_number": it.number,
        "expiry": it.expiry,
        "security_code": it.cvv,
        "knowingly": "on",
    }


def hidden(text: str) -> dict[str, str]:
    """The hidden fields of a page, or of a part of one."""
    fields = {name: html.unescape(value) for name, value in _HIDDEN.findall(text)}
    fields.pop("csrfmiddlewaretoken", None)
    return fields


def where(answer: Any) -> str:
    """The path a redirect leads to; "" for anything else."""
    if answer is None or answer.status_code not in (302, 303):
        return ""
    return str(answer.headers["Location"])
