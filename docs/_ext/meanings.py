"""What names mean, in one sentence each: for the tables that are made from the code.

Names, defaults and shapes come from the code itself; only these sentences are written.
A name without one, or one without a name, breaks the build.
"""

from __future__ import annotations

from typing import Final

SETTINGS: Final = {
    "TERMINALS": "name → what may be done with one API key; the table above",
    "PUBLIC_URL": (
        "`https://shop.example`: where the bank sends the browser back to. Never taken"
        " from the Host header"
    ),
    "HOLD_KEYS": (
        "URL-safe base64 of 32 random bytes each, the current one first. They seal the"
        " card during 3-D Secure. With DEBUG they may be left out"
    ),
    "HOLD_TTL": "how long a sealed card waits. After it: nothing is charged",
    "HOLD_CVV": (
        "whether the security code waits with it. Some brands forbid that: ask your"
        " acquirer. Without it the charge goes out without the code"
    ),
    "HOLD_BACKEND": (
        "`database`, or the name of one of your `CACHES` that all processes share and"
        " that keeps nothing on a disk"
    ),
    "CONNECT_TIMEOUT": "to reach the gateway. Nothing has left until then",
    "TOTAL_TIMEOUT": (
        "what one request of a browser may take over all its calls. Keep your server's"
        " worker timeout above it"
    ),
    "KEEP_ALIVE": "how long an idle connection is used again; 0 = never",
    "SETTLE_AFTER": (
        "the earliest that silence may count as “not charged”, and then only with three"
        " good look-ups"
    ),
    "WATCH_FOR": "how long a failed order is still asked about, and late money noticed",
    "EXPIRE_AFTER": (
        "how long a shopper has, from the order and again from the start of 3-D Secure"
    ),
    "REQUIRE_LIABILITY_SHIFT": (
        "stop before the charge unless the issuer takes the risk (three steps only)"
    ),
    "RATE_LIMITS": (
        "failed attempts before somebody has to wait, as (count, seconds). A dict"
        " changes some, `None` for one switches it off, `'off'` all. `everyone` refuses"
        " nobody: guests wait two seconds, and you are told"
    ),
    "TRUSTED_PROXIES": (
        "addresses and networks of your own proxies, `['10.0.0.0/8']`: behind them the"
        " visitor's address is believed"
    ),
    "RETENTION": (
        "seconds after which `nexi_purge` erases names, e-mails, descriptions and IP"
        " addresses. Nothing"
        " = never. The money rows always stay"
    ),
    "MERCHANT_NAME": "the shop's name as its customers know it, shown above the amount",
    "MAILS": (
        "mails to customers that go out by themselves: `['receipt', 'charge_failed',"
        " 'card_expires']`. See [Mails](mails.md)"
    ),
    "MAIL_LANGUAGE": (
        "dotted path of a function that gets an order or a card on file and returns the"
        " language of its mail"
    ),
    "INTEGRITY": (
        "whether each of our `<script>` and stylesheet tags names the hash of its file."
        " For static files on another host, which must send"
        " `Access-Control-Allow-Origin`"
    ),
    "EXEMPTION_RULE": (
        "dotted path of a function that gets a new order and says what 3-D Secure is"
        " asked for: `CHALLENGE_REQUESTED`, `NO_PREFERENCE`, or nothing"
    ),
    "CHARGE_RETRIES": (
        "seconds after a soft decline of a due charge at which it is tried again."
        " Empty = never"
    ),
    "SIMULATOR_STATE": "a file in which the built-in simulator keeps its orders",
}

TERMINAL: Final = {
    "API_KEY": "the secret of `X-Api-Key`, one a terminal and environment",
    "ENVIRONMENT": (
        "`simulator`, `sandbox` or `production`. A key alone means the sandbox; no key"
        " and DEBUG the simulator; real money has to be said"
    ),
    "BASE_URL": (
        "everything before `/orders`, if it is not Nexi's. http only on this machine"
    ),
    "FLOW": "`3steps`, or `2steps` (the bank's answer is checked by the charge itself)",
    "CAPTURE": (
        "`automatic`: charged at once. `manual`: held, until you capture or void"
    ),
    "MOTO": "whether it takes phone orders",
    "MAX_AMOUNT": "a Decimal in major units (euro, not cents): more is refused unasked",
    "CURRENCIES": "`['EUR']`: others are refused unasked. Empty = all we know",
    "THREE_DS_HOSTS": (
        "hosts on which 3-D Secure may begin. Empty = the one of `BASE_URL`"
    ),
    "LINK_TERMINAL": "where a secure link of this desk is paid. Empty = `default`",
    "EXEMPTION": (
        "`CHALLENGE_REQUESTED`: the bank is asked to confirm each payment with its"
        " customer; `NO_PREFERENCE` leaves it to the bank"
    ),
}

SIGNALS: Final = {
    "payment_paid": "booked: ship. May follow `payment_failed` within `WATCH_FOR`",
    "payment_authorized": "held on the card, not booked: capture when you ship",
    "payment_failed": "this attempt ended without money; the shopper may try again",
    "payment_refunded": (
        "a confirmed refund, in full or in part; `event.operation.amount` says how much"
    ),
    "payment_voided": "an authorization was released: nothing was taken",
    "payment_captured": (
        "a further capture in part was confirmed; the first one is told as"
        " `payment_paid`"
    ),
    "capture_cancelled": (
        "a capture was rolled back on its day; when it was the only one,"
        " `payment_authorized` follows"
    ),
    "contract_activated": (
        "a card is on file: `order.contract`. May be charged from now"
    ),
    "contract_on_hold": (
        "a due charge failed in a way that time does not mend: ask the customer"
    ),
    "contract_ended": "a card on file may not be charged any more",
    "payment_needs_review": "contradictory evidence: a person decides. Do not ship",
    "gateway_break": (
        "Nexi and we disagree; `sender=Break`, `record=` the row. Wake somebody"
    ),
}

URLS: Final = {
    "pay": "the card page; `order.get_absolute_url()`",
    "return": "`ReturnUrl`: the browser comes back from the bank. Exempt from CSRF",
    "result": "how it ended: on to `success_url`, another card, or wait",
    "status": "JSON `state`, `final`, `message`, `next`, for whoever polls",
    "link": "where a customer comes in who was sent a link by the desk",
    "simulator": "the built-in simulator's bank; 404 with a real gateway",
}

#: why an order failed or needs a person; operations.md has the breaks in full
REASONS: Final = {
    "declined": "Nexi or the bank said no; `response_code` is theirs",
    "not_authenticated": "the bank did not confirm the shopper",
    "no_liability_shift": "confirmed, but the issuer does not take the risk",
    "3ds_unavailable": "no 3-D Secure for this card: nothing is charged without",
    "hostile_3ds_url": "3-D Secure was to begin on a host that is not allowed",
    "unsent": "Nexi could not be reached: nothing left this machine",
    "refused": "a complete 4xx, and look-ups without a charge",
    "busy": "429, and look-ups without a charge",
    "config": "Nexi does not know our key, or the address is wrong",
    "init_unknown": "no usable answer before the bank: nothing can be charged",
    "validation_unknown": "no usable answer to the validation, asked twice",
    "unknown_result": "a word before the charge that is not in the reference",
    "mismatch": "another order, amount or currency than ours",
    "card_expired": "back from the bank after `HOLD_TTL`: the card is gone",
    "not_held": "the cache that was to keep the card was away",
    "expired": "no card came in time, or nobody came back from the bank",
    "abandoned": "back from the bank, and the worker died before the charge",
    "superseded": "a newer attempt took its place",
    "unconfirmed": "silence, long enough and looked into often enough",
    "unexpected_charge": "Nexi shows a charge where none was sent",
    "charged_after_decline": "declined, we were told; then charged",
    "late_charge": "money turned up in an odd shape after we gave up",
    "reference_taken": "late money, and another attempt has paid the basket",
    "no_details": "charged, and nobody says how much",
    "still_pending": "PENDING for all of `WATCH_FOR`",
    "two_authorizations": "Nexi shows two charges for one order",
    "capture_cancelled": "the only capture was rolled back on its day: held again",
    "lapsed": "an authorization that ran out",
    "restored": "at Nexi with our prefix, and not in the backup that was restored",
    "resolved": "a person looked, and Nexi agreed",
}
