"""Delivers due events in threads: a receiver that hangs blocks its own order only.

One thread, the caller of ``run`` or ``drain``, leases due events and passes each to a
worker thread. It runs no receiver, and neither does the thread that reconciles
(``outbox.in_background``). Any number of processes may do so concurrently.

A thread cannot be stopped. A delivery that takes longer than ``outbox.lease_duration``
is recorded as a failed attempt and left to itself; while it has not returned, this
process does not start another one of the same event.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from django.db import close_old_connections, connections
from django.utils import timezone

from nexi_payments import outbox
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.signals import running_receiver

log = logging.getLogger("nexi_payments.outbox")

Result = TypeVar("Result")

#: Deliveries at the same time, not counting those that last longer than
#: ``_SLOW_AFTER``.
_SLOTS: Final = 8
#: Seconds. Also the pause between two looks at the database.
_SLOW_AFTER: Final = 1.0
#: With so many receivers that hang, a process delivers no more.
_MAX_RUNNING: Final = 256
#: Seconds after an error of the database.
_ERROR_PAUSE: Final = 5.0
#: Seconds that the end of ``watching`` waits for running deliveries.
_STOP_WAIT: Final = 5.0


def run_pass(work: Callable[[], Result]) -> tuple[Result, int]:
    """Calls ``work``, then delivers the events that are due.

    Returns the result, and the number of events that reached all receivers. No receiver
    runs in this thread, and none that hangs is waited for longer than
    ``outbox.lease_duration``.
    """
    workers = DeliveryWorkers()
    try:
        with outbox.in_background(workers.submit):
            result = work()
    finally:
        try:
            workers.drain()
        finally:
            workers.close()
    return result, workers.pop_delivered()


def redeliver(event: Event) -> bool:
    """Delivers ``event`` again, delivered or not, on a person's request.

    Undelivered older events of its order go first. True when every receiver took all of
    them. Returns after ``outbox.lease_duration`` if a receiver hangs. No receiver runs
    in this thread.
    """
    outbox.make_due(event)
    workers = DeliveryWorkers(event.order_id)
    try:
        workers.drain()
    finally:
        workers.close()
    undelivered = Event.objects.filter(order_id=event.order_id, pk__lte=event.pk)
    return not undelivered.filter(deliver_at__isnull=False).exists()


def redeliver_blocked(order_ids: Sequence[str] = ()) -> tuple[int, int]:
    """Delivers the blocked events of some orders now, by default of all. In order.

    Also what else is due. Returns how many events reached all receivers, and how many
    events of these orders are still undelivered.
    """
    blocked = outbox.blocked_events()
    if order_ids:
        blocked = blocked.filter(order__order_id__in=order_ids)
    newest = {event.order_id: event for event in blocked}
    for event in newest.values():
        outbox.make_due(event)
    _, delivered = run_pass(lambda: None)
    left = Event.objects.filter(order__in=newest, deliver_at__isnull=False)
    return delivered, left.count()


@contextmanager
def watching() -> Iterator[DeliveryWorkers]:
    """Delivers in the background what becomes due inside. For ``--watch``."""
    workers, stop = DeliveryWorkers(), threading.Event()
    thread = threading.Thread(
        target=workers.run, args=(stop,), name="nexi-deliveries", daemon=True
    )
    thread.start()
    try:
        with outbox.in_background(workers.submit):
            yield workers
    finally:
        stop.set()
        thread.join(_STOP_WAIT)
        workers.close(_STOP_WAIT)


@dataclass(eq=False)
class _Call:
    """A call in a worker thread: the delivery of ``event``, or another signal."""

    run: Callable[[], object]
    event: Event | None = None
    started: float = field(default_factory=time.monotonic)
    is_overdue: bool = False
    thread_id: int = 0

    @property
    def age(self) -> float:
        return time.monotonic() - self.started


#: Guards the calls of all ``DeliveryWorkers``: a Celery worker makes one each pass.
_LOCK: Final = threading.Lock()
#: Calls of this process that were given up and have not returned.
_HANGING: Final[set[_Call]] = set()


class DeliveryWorkers:
    """Worker threads, and the calls that they run. ``order_id``: deliver only its
    events.
    """

    def __init__(self, order_id: int | None = None) -> None:
        self._order_id = order_id
        self._lock = _LOCK
        self._wake = threading.Event()
        self._queue: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._running: set[_Call] = set()
        self._candidates: deque[Event] = deque()
        self._idle = 0
        self._delivered = 0
        self._closed = False
        self._was_full = False

    def submit(self, function: Callable[[], object]) -> None:
        """Calls ``function`` in a worker thread."""
        self._start(_Call(function))

    def pop_delivered(self) -> int:
        """The number of events that reached all receivers since the last call."""
        with self._lock:
            count, self._delivered = self._delivered, 0
        return count

    # -- the thread that leases --------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Delivers what becomes due, until ``stop`` is set. Logs errors."""
        while not stop.is_set():
            self._wake.clear()
            try:
                self._step(timezone.now())
            except Exception:
                log.exception("the delivery of signals failed; it is tried again")
                stop.wait(_ERROR_PAUSE)
            if not self._wake.wait(_SLOW_AFTER):
                close_old_connections()
        connections.close_all()

    def drain(self) -> None:
        """Delivers what is due now. Returns when each delivery has ended or hangs."""
        now, active = timezone.now(), True
        while active:
            self._wake.clear()
            self._step(now)
            waiting = bool(self._candidates) and not self._is_full()
            # a call that has returned meanwhile may have made another event due
            active = waiting or bool(self._active()) or self._wake.is_set()
            if active:
                self._wake.wait(_SLOW_AFTER)

    def close(self, wait: float = 0) -> None:
        """Ends the idle threads, the others after their call. Waits for those up to
        ``wait`` seconds.
        """
        with self._lock:
            self._closed = True
            for _ in range(self._idle):
                self._queue.put(None)
        end = time.monotonic() + wait
        while self._active() and time.monotonic() < end:
            time.sleep(0.05)

    def _step(self, until: datetime) -> None:
        """Starts deliveries while there are slots."""
        self._give_up_overdue()
        if not self._candidates:
            self._candidates.extend(outbox.due_events(until, self._order_id))
        while self._candidates and self._has_slot():
            event = self._candidates.popleft()
            if outbox.lease(event):
                self._deliver(event)

    def _give_up_overdue(self) -> None:
        limit = outbox.lease_duration().total_seconds()
        for call in self._active():
            if call.age > limit:
                self._give_up(call)
                if call.event is not None:
                    self._record_hanging(call.event, call)
                    # a later attempt sends none
                    self.submit(
                        partial(outbox.send_emails, call.event, call.event.order)
                    )

    def _give_up(self, call: _Call) -> None:
        with self._lock:
            call.is_overdue = True
            if call in self._running:
                _HANGING.add(call)

    def _record_hanging(self, event: Event, call: _Call) -> None:
        """``call`` has not returned yet."""
        receiver = _running_receiver(call)
        wait = outbox.postpone(event, [f"{receiver}: has not returned"])
        text = "receiver %s of %s for order %s hangs; next attempt in %d s"
        log.error(text, receiver, event.kind, event.order.order_id, wait)

    def _has_slot(self) -> bool:
        with self._lock:
            quick = sum(call.age < _SLOW_AFTER for call in self._running)
        return quick < _SLOTS and not self._is_full()

    def _is_full(self) -> bool:
        with self._lock:
            running = len(self._running | _HANGING)
        is_full = running >= _MAX_RUNNING
        if is_full and not self._was_full:
            text = "%d receivers hang: this process delivers no more signals"
            log.critical(text, running)
        self._was_full = is_full
        return is_full

    def _active(self) -> list[_Call]:
        with self._lock:
            return [call for call in self._running if not call.is_overdue]

    def _deliver(self, event: Event) -> None:
        with self._lock:
            calls = self._running | _HANGING
            pending = {call.event.pk: call for call in calls if call.event}
        if event.pk in pending:
            self._record_hanging(event, pending[event.pk])
            return
        order = PaymentOrder.objects.get(pk=event.order_id)
        event.order = order
        self._start(_Call(partial(self._call_receivers, event, order), event))

    # -- worker threads ----------------------------------------------------------------

    def _start(self, call: _Call) -> None:
        with self._lock:
            self._running.add(call)
            if self._idle:
                self._idle -= 1
            else:
                threading.Thread(
                    target=self._work, name="nexi-delivery", daemon=True
                ).start()
        self._queue.put(call)

    def _call_receivers(self, event: Event, order: PaymentOrder) -> None:
        reached = outbox.deliver(event, order)
        with self._lock:
            self._delivered += reached

    def _work(self) -> None:
        while (call := self._next_call()) is not None:
            call.thread_id = threading.get_ident()
            try:
                call.run()
            except BaseException:  # nothing that a receiver raises ends a thread
                log.exception("a delivery failed")
                connections.close_all()  # one of them may be broken
            with self._lock:
                self._running.discard(call)
                _HANGING.discard(call)
                is_spare = self._closed or self._idle >= _SLOTS
                self._idle += not is_spare
                self._wake.set()
            if is_spare:
                break
        connections.close_all()

    def _next_call(self) -> _Call | None:
        """Waits for a call. An idle thread keeps no database connection."""
        try:
            return self._queue.get(timeout=_SLOW_AFTER)
        except queue.Empty:
            connections.close_all()
            return self._queue.get()


def _running_receiver(call: _Call) -> str:
    """The name of the receiver in which ``call`` is now. For people: the call goes on
    meanwhile.
    """
    frame = sys._current_frames().get(call.thread_id)  # public, for debuggers
    stack = [one for one, _ in traceback.walk_stack(frame)] if frame else []
    return running_receiver(reversed(stack))
