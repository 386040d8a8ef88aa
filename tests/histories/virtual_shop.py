"""A shop in one process, on a clock that moves when nothing is to do."""

from __future__ import annotations

import heapq
import random
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from nexi_payments import flows, money
from nexi_payments.card import Card
from nexi_payments.exceptions import NexiPaymentsError
from nexi_payments.models import Contract, Discrepancy, PaymentOrder
from nexi_payments.simulator import TEST_CARDS, Reply, Simulator
from nexi_payments.simulator.worlds import WORLDS, Late, World
from nexi_payments.testing.isolation import use_simulator
from tests.histories import odd_receivers, worlds
from tests.histories.post_charge_plays import Play, Step
from tests.histories.post_charge_steps import AMOUNT, DOCUMENTED, Deed
from tests.support.contracts import make_contract
from tests.support.shopper import Shopper

#: The numbers of a world's histories begin at a multiple of this.
PER_WORLD: Final = 10_000
#: Seconds between two steps of a history.
_PAUSES: Final = (0, 0, 2, 20, 70, 300, 1200, 4000, 15_000, 50_000)
#: Statements after which a killed step writes nothing more.
_STATEMENTS: Final = 40
#: What goes wrong with a request that moves money, and with an inquiry.
_POST_FAULTS: Final = ("lost", "lost", "lost", "500", "400", "not sent", "refused")
_GET_FAULTS: Final = ("500", "500", "lost", "garbage", "404")
_DAILY: Final = flows.ContractTerms(
    "Coffee, daily", interval_days=1, amount=Decimal("9.00")
)
_SAVED_CARDS: Final = (
    *("challenge", "challenge", "challenge", "mit_answer_lost"),
    *("mit_answer_lost", "mit_pending", "mit_declined", "mit_lost_card"),
)


class Killed(BaseException):
    """The process of a step ended here."""


class VirtualShop:
    """Plays histories in one world. ``clock`` stands, and is moved here alone."""

    def __init__(
        self, clock: Any, world: str, seed: str, posts: float, gets: float
    ) -> None:
        self.clock, self.world, self.seed = clock, world, seed
        self.shares = {"POST": posts, "GET": gets}
        self.gateway = Simulator(worlds=_worlds(world), seed=seed)
        self.dice = random.Random(f"{seed}/{world}")
        self.begin = timezone.now()
        self.plays: dict[int, Play] = {}
        self.broken: dict[int, list[str]] = {}
        self.deeds: Counter[str] = Counter()
        self.killed = self.calls = self.faults = self.due = 0
        self._statements_left: int | None = None
        self._are_faults_on = False

    # -- the run -----------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        self._handle = self.gateway.handle
        self.gateway.handle = self._answer  # type: ignore[method-assign]
        odd_receivers.wait = lambda seconds: self.move(10 * seconds)
        with use_simulator(self.gateway), connection.execute_wrapper(self._execute):
            yield

    def play(self, numbers: list[int]) -> None:
        """Charges, takes all steps, and lets time pass until nothing is to do."""
        agenda: list[tuple[datetime, int]] = []
        for number in numbers:
            self._begin(number)
            agenda.append((timezone.now(), number))
        self._are_faults_on = True
        heapq.heapify(agenda)
        while agenda:
            moment, number = heapq.heappop(agenda)
            self._pass_until(moment)
            play = self.plays[number]
            for step in play.next_steps():
                self._take(play, step)
            if play.taken < play.steps:
                pause = timedelta(seconds=play.dice.choice(_PAUSES))
                heapq.heappush(agenda, (moment + pause, number))
        self._pass_until(self.begin + timedelta(hours=50))  # two due charges
        self._are_faults_on = False
        self._end_contracts()
        self._pass_until(timezone.now() + timedelta(hours=80))

    def _begin(self, number: int) -> None:
        """A phone order for each history; each third one saves a card, too."""
        play = Play.of(self.seed, number % PER_WORLD, self.world, number)
        terminal = "manual" if play.terminal.endswith("manual") else "moto"
        play.reference = f"{self.world} {number}"
        self.plays[number] = play
        name = f"History {number}"
        order = flows.create_moto_order(
            amount=money.to_major(AMOUNT, "EUR"),
            currency="EUR",
            reference=play.reference,
            terminal=terminal,
            actor=flows.Actor(),
            customer={"name": name},
        )
        test = TEST_CARDS[0]
        card = Card(test.number, test.expiry.replace("/", ""), test.cvv)
        flows.pay_moto(order, card, cardholder=name, allow_duplicate=True)
        if number % 3 == 0:
            ending = play.dice.choice(_SAVED_CARDS)
            reference = f"{play.reference} card"
            make_contract(Shopper(self.gateway), ending, _DAILY, reference=reference)

    def _pass_until(self, end: datetime) -> None:
        """Reconciles and charges whatever is due until ``end``, at its time."""
        before = None
        while (due := self._next_due()) is not None and due <= end:
            # an event may be due and wait for an older one
            least = 5.0 if due == before else 0.001
            self.move(max(least, (due - timezone.now()).total_seconds() + 0.001))
            before = due
            self._run_killable(flows.reconcile)
            self._run_killable(self._charge_due)
        self.move(max(0.0, (end - timezone.now()).total_seconds()))

    def _next_due(self) -> datetime | None:
        from nexi_payments.models import Event

        found = [
            PaymentOrder.objects.filter(next_poll_at__isnull=False)
            .order_by("next_poll_at")
            .values_list("next_poll_at", flat=True)
            .first(),
            Contract.objects.filter(next_charge_at__isnull=False)
            .order_by("next_charge_at")
            .values_list("next_charge_at", flat=True)
            .first(),
            Event.objects.filter(deliver_at__isnull=False)
            .order_by("deliver_at")
            .values_list("deliver_at", flat=True)
            .first(),
        ]
        return min((one for one in found if one is not None), default=None)

    def _charge_due(self) -> None:
        self.due += flows.charge_due().charged

    def _run_killable(self, job: Any) -> None:
        killed = self._are_faults_on and self.dice.random() < 0.03
        try:
            with self._killed_after(self.dice.randrange(1, 60) if killed else 0):
                job()
        except Killed:
            self.killed += 1

    def _end_contracts(self) -> None:
        for contract in Contract.objects.filter(next_charge_at__isnull=False):
            with suppress(NexiPaymentsError):
                flows.end_contract(contract)

    # -- one step ----------------------------------------------------------------------

    def _take(self, play: Play, step: Step) -> None:
        dies = step.dies_after > 0
        limit = random.Random(step.seed).randrange(1, _STATEMENTS) if dies else 0
        deed = None
        try:
            with self._killed_after(limit):
                order = PaymentOrder.objects.get(reference=step.reference)
                deed = Deed(order, step)
                found = deed().rpartition(" ")[2]
        except DOCUMENTED as error:
            found = type(error).__name__
        except Killed:
            self.killed += 1
            found = "killed"
            if play.dice.random() < 0.5:
                play.repeat = replace(step, dies_after=0.0)  # the page is sent again
        except Exception as error:
            traceback.print_exc()
            found = type(error).__name__
            what = f"exception: {deed.name if deed else ''}: {found}"
            self.broken.setdefault(play.number, []).append(what)
        self.deeds[f"{deed.name if deed else ''} {found}".strip()] += 1

    @contextmanager
    def _killed_after(self, statements: int) -> Iterator[None]:
        """After so many statements no further one is executed. 0: it lives."""
        self._statements_left = statements or None
        try:
            yield
        finally:
            self._statements_left = None

    def _execute(self, run: Any, sql: str, *rest: Any) -> Any:
        if self._statements_left is not None:
            if self._statements_left <= 0:
                raise Killed
            self._statements_left -= 1
        return run(sql, *rest)

    # -- the gateway -------------------------------------------------------------------

    def move(self, seconds: float) -> None:
        self.clock.shift(timedelta(seconds=seconds))

    def _answer(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        self.calls += 1
        self.move(0.02)
        is_api = "/psp/api/" in url
        wrong = self._are_faults_on and self.dice.random() < self.shares[method]
        if not is_api or not wrong:
            return self._handle(method, url, headers, body)
        self.faults += 1
        if method == "GET":
            return self._wrong_inquiry(url)
        return self._wrong_request(method, url, headers, body)

    def _wrong_inquiry(self, url: str) -> Reply:
        return {
            "500": Reply(500),
            "lost": Reply(0, fault="cut"),
            "garbage": Reply(200, b"<html>welcome</html>"),
            "404": Reply(404) if "/operations/" in url else Reply(502),
        }[self.dice.choice(_GET_FAULTS)]

    def _wrong_request(self, method: str, url: str, *rest: Any) -> Reply:
        fault = self.dice.choice(_POST_FAULTS)
        if fault == "refused":
            return Reply(0, fault="refused")
        if self.gateway.state.worlds.find(Late):
            self._send_late(method, url, *rest)
            return Reply(500) if fault == "500" else Reply(0, fault="cut")
        if fault == "not sent":
            return Reply(0, fault="cut")
        reply = self._handle(method, url, *rest)
        if fault == "400":
            return Reply(400, b'{"errors":[{"code":"GW0001"}]}')
        return Reply(500) if fault == "500" else replace(reply, fault="cut")

    def _send_late(self, method: str, url: str, *rest: Any) -> None:
        """The simulator executes it when its time has come."""
        self.gateway.fail_next(url.rpartition("/")[2].partition("?")[0])
        self._handle(method, url, *rest)

    # -- for the judge -----------------------------------------------------------------

    def close(self) -> None:
        """Nobody asks another gateway about these payments."""
        PaymentOrder.objects.update(next_poll_at=None)

    def orders(self) -> list[PaymentOrder]:
        return list(PaymentOrder.objects.filter(created_at__gte=self.begin))

    def discrepancies(self) -> list[Discrepancy]:
        return list(Discrepancy.objects.filter(created_at__gte=self.begin))

    def records(self) -> list[dict[str, Any]]:
        found = [self.gateway.record(order.order_id) for order in self.orders()]
        return [one for one in found if one is not None]


def _worlds(name: str) -> list[World]:
    """With their defaults: the times of a real gateway."""
    return [WORLDS[one]() for one in worlds.parts(name) if one in WORLDS]
