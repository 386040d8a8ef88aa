"""Shoppers and clerks of the histories: plain HTTP, a cookie jar.

A request that is cut, or whose worker is killed, returns ``None``: a browser would say
that the page cannot be reached.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests

from nexi_payments.testing import shopper
from tests.histories import database_faults
from tests.support.staff import Staff

CSRF = "histories" * 3 + "12345"  # 32 characters, in the cookie and in each form
NOTHING_CHARGED = re.compile(r"Nothing (has been|was) charged")
CHARGE_CONFIRMED = re.compile(
    r"Your card has been charged|The amount is reserved on your card"
)


@dataclass
class PageView:
    """A page that a shopper read: its order, its message, its time."""

    public_id: str
    says_not_charged: bool
    says_charged: bool
    asked: float
    read: float


@dataclass
class SentPost:
    cookies: dict[str, str]
    path: str
    fields: dict[str, str]

    @property
    def charges_once(self) -> bool:
        """Whether it may move money, and must not when it is sent again: a return, the
        card of a phone order, a confirmed action on a payment."""
        return (
            "/return/" in self.path
            or self.path.endswith("/card/")
            or {"confirmed", "nonce"} <= self.fields.keys()
        )


@dataclass
class RunLog:
    """What the shoppers and clerks did and read, for the judge."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: list[PageView] = field(default_factory=list)
    slowest: float = 0.0
    times: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    dropped: int = 0
    #: the fault of the database: pages that fail are counted, and no error
    fault: str = ""
    failed: int = 0
    #: contract → when its end was confirmed
    ended_contracts: dict[str, float] = field(default_factory=dict)
    #: posts that are sent again at the end: those that were answered. A cut one may
    #: never have been read; the repetition would be the first one.
    posts: list[SentPost] = field(default_factory=list)


class Browser:
    """Stands where Django's test client stands elsewhere. ``who`` is the number of the
    history, for the judge."""

    def __init__(
        self, site: str, log: RunLog, cookies: dict[str, str], who: int = 0
    ) -> None:
        self.site, self.log, self.who = site, log, who
        self.cookies = {"csrftoken": CSRF, **cookies}

    def without_cookies(self) -> Browser:
        return Browser(self.site, self.log, {}, self.who)

    def get(self, path: str, query: Mapping[str, str]) -> requests.Response | None:
        return self.request("GET", f"{path}?{urlencode(query)}" if query else path, {})

    def post(self, path: str, body: str, content_type: str) -> Any:
        fields = dict(parse_qsl(body, keep_blank_values=True))
        sent = SentPost(dict(self.cookies), path, fields)
        answer = self.request("POST", path, fields)
        if sent.charges_once and answer is not None:
            with self.log.lock:
                self.log.posts.append(sent)
        return answer

    def request(self, method: str, path: str, fields: dict[str, str]) -> Any:
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
                self.log.dropped += 1
            return None
        now = time.time()
        with self.log.lock:
            self.log.times.append(now - started)
            fails = answer.status_code >= 500
            if fails and database_faults.may_fail(self.log.fault, path):
                self.log.failed += 1
            elif fails and answer.status_code != 503:
                self.log.errors.append(
                    f"history {self.who}: {answer.status_code} {method} {path}"
                )
            if found := re.search(r"/result/([0-9a-f]{32})|/pay/([0-9a-f]{32})", path):
                self.log.seen.append(
                    PageView(
                        found[1] or found[2],
                        bool(NOTHING_CHARGED.search(answer.text)),
                        bool(CHARGE_CONFIRMED.search(answer.text)),
                        started,
                        now,
                    )
                )
        return answer


class Shopper(shopper.Shopper):
    request_options: ClassVar[Mapping[str, Any]] = {}
    browser: Browser

    def browser_without_cookies(self) -> Browser:
        return self.browser.without_cookies()


class Clerk(Staff):
    browser: Browser


def run_concurrently(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Runs all jobs at the same moment; returns their results."""
    if len(jobs) == 1:
        return [jobs[0]()]
    ready = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        ready.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))
