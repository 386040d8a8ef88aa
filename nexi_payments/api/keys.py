"""``Idempotency-Key``: the same request again gets the same answer, and does nothing.

A key belongs to one caller and one request. What the request may do is guarded twice:
by the key's row here, and in the flows by a nonce made from the key, so that a process
that dies between the two, or twenty of them at once, still do it once.

Of requests with a card neither card nor answer is kept, and no fingerprint of the card:
a repetition is answered from the payment as it is then.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, Final

from django.db import IntegrityError
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments.api.problems import Problem
from nexi_payments.card import holds_card_number
from nexi_payments.models import KeptAnswer, PaymentOrder, database

HEADER: Final = "Idempotency-Key"
_SHAPE: Final = re.compile(r"[!-~]{8,255}")
#: Never on disk: whoever may see the answer gets it anew.
_SECRET: Final = "client_secret"  # noqa: S105  a name

_CALLER: Final = 64
#: Of random ones, one in some thousand looks as if it held a card number.
_RANDOM: Final = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}"
)

Work = Callable[[], Response]


class Key:
    """The key of one request. ``facts`` are the body without card fields.

    Raises ``Problem``: 400 without a usable key. ``nonce`` is for the flows.
    """

    def __init__(self, request: Request, facts: Any) -> None:
        self.text = request.headers.get(HEADER, "")
        if not _usable(self.text):
            raise Problem(
                400,
                "idempotency_key_missing",
                f"Send {HEADER}: 8 to 255 characters, new for each thing you want"
                " done, a UUID for instance. Nothing was done.",
            )
        if isinstance(request.auth, PaymentOrder):
            self.caller = f"order:{request.auth.public_id}"
        else:
            self.caller = _short(f"user:{request.user.pk}")
        told = [request.method, request.path, facts]
        canonical = json.dumps(told, sort_keys=True, default=str)
        self.fingerprint = hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def stored(self) -> str:
        """What stands in the table: some databases take "a" and "A" for the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def nonce(self) -> str:
        """32 characters, for ``Operation.nonce`` and ``PaymentOrder.desk_nonce``."""
        together = f"{self.caller}\0{self.text}".encode()
        return hashlib.sha256(together).hexdigest()[:32]

    def found(self) -> KeptAnswer | None:
        """What is known of this key. Raises ``Problem`` (409) if it was another
        request's."""
        row = KeptAnswer.objects.filter(caller=self.caller, key=self.stored).first()
        if row is not None and row.fingerprint != self.fingerprint:
            raise Problem(
                409,
                "idempotency_key_reused",
                f"This {HEADER} was used for another request. Nothing was done.",
            )
        return row

    def insert(self) -> KeptAnswer:
        """Raises ``IntegrityError`` when somebody is faster."""
        return KeptAnswer.objects.create(
            caller=self.caller,
            key=self.stored,
            fingerprint=self.fingerprint,
            created_at=timezone.now(),
        )

    def claim(self) -> tuple[KeptAnswer, bool]:
        """The row, and whether it is ours: nobody has come with this key before."""
        for _ in range(3):  # a refused request takes its row away again
            row = self.found()
            if row is not None:
                return row, False
            try:
                with database.atomic():
                    return self.insert(), True
            except IntegrityError:
                continue
        raise Problem(
            409,
            "order_busy",
            "Another request with this key is under way. Nothing was done; try again.",
            retry_after=1,
        )


def _short(caller: str) -> str:
    """Primary keys of users may be e-mail addresses."""
    if len(caller) <= _CALLER:
        return caller
    return "user#" + hashlib.sha256(caller.encode()).hexdigest()[: _CALLER - 5]


def _usable(text: str) -> bool:
    if _RANDOM.fullmatch(text):
        return True
    return bool(_SHAPE.fullmatch(text)) and not holds_card_number(text)


def in_one_commit(key: Key, work: Work, secret: Callable[[Any], str]) -> Response:
    """For work that is a matter of our database alone: the key, the work and its answer
    are on disk together, or not at all. ``secret`` makes what is not kept."""

    def together() -> Response:
        row = key.insert()
        response = work()
        keep(row, response)
        return response

    row = key.found()
    if row is None:
        try:
            return database.committed(together)
        except IntegrityError:
            row = key.found()
            if row is None:
                raise
    response = replay(row)
    response.data[_SECRET] = secret(response.data)
    return response


def once(key: Key, work: Work) -> Response:
    """For work that asks the gateway. Done again only while no answer was kept, which
    the nonce makes harmless."""
    row, _ = key.claim()
    if row.body:
        return replay(row)
    response = work()
    keep(row, response)
    return response


def keep(row: KeptAnswer, response: Response) -> None:
    """The first answer stays, whoever comes later. One that may still change is not
    kept."""
    data = {name: value for name, value in response.data.items() if name != _SECRET}
    if data.get("operation", {}).get("outcome") == "open":
        return
    body = json.dumps(data, default=str)
    KeptAnswer.objects.filter(pk=row.pk, body="").update(
        status=response.status_code, body=body
    )


def replay(row: KeptAnswer) -> Response:
    response = Response(json.loads(row.body), status=row.status)
    response["Idempotency-Replayed"] = "true"
    return response


def point_at(row: KeptAnswer, order: PaymentOrder) -> None:
    """For requests with a card: which payment a repetition is answered from."""
    KeptAnswer.objects.filter(pk=row.pk, body="").update(
        body=json.dumps({"id": order.public_id})
    )


def pointed_at(row: KeptAnswer) -> PaymentOrder | None:
    if not row.body:
        return None
    public_id = json.loads(row.body)["id"]
    return PaymentOrder.objects.filter(public_id=public_id).first()
