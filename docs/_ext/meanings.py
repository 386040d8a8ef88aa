"""What names mean, in one sentence each: for the tables that are made from the code.

Names, defaults and shapes come from the code; only these sentences are written here.
A name without a sentence, or a sentence without a name, breaks the build.
"""

from __future__ import annotations

from typing import Final

SETTINGS: Final = {
    "TERMINALS": "name → the settings of one API key; the table above",
    "PUBLIC_URL": (
        "`https://shop.example`: where shoppers return to from 3-D Secure. Never taken"
        " from the Host header"
    ),
    "URLCONF": (
        "dotted path of the URLconf that answers on the host of `PUBLIC_URL`. Empty ="
        " `ROOT_URLCONF`. Only for projects that choose a URLconf for each host name"
    ),
    "SEALED_CARD_KEYS": (
        "URL-safe base64 of 32 random bytes each, the current one first. They encrypt"
        " the card during 3-D Secure. Optional with DEBUG. Or the dotted path of"
        " [a function](hooks.md#keys-from-a-key-management-service) that returns them"
    ),
    "SEALED_CARD_TTL": "how long a sealed card is kept. After it nothing is charged",
    "SEALED_CARD_CVV": (
        "whether the security code is sealed, too. Some brands forbid that: ask your"
        " acquirer. Without it the charge is sent without the code"
    ),
    "SEALED_CARD_BACKEND": (
        "`database`, or the name of one of your `CACHES` that all processes share and"
        " that stores nothing on disk"
    ),
    "CONNECT_TIMEOUT": "to connect to the gateway. Until then nothing was sent",
    "TOTAL_TIMEOUT": (
        "limit of all gateway calls of one browser request. Keep your server's worker"
        " timeout above it"
    ),
    "KEEP_ALIVE": "how long an idle connection is reused; 0 = never",
    "SETTLE_AFTER": (
        "the earliest time at which a missing answer may count as “not charged”, and"
        " then only with three late status inquiries"
    ),
    "WATCH_FOR": (
        "how long failed charges, and captures and refunds that were given up, are"
        " looked for at Nexi"
    ),
    "EXPIRE_AFTER": (
        "how long a shopper has, from the order and again from the start of 3-D Secure"
    ),
    "HOSTED_EXPIRE_AFTER": (
        "how long an attempt on Nexi's hosted page counts as open. Afterwards the"
        " purchase may be paid in another way; the page is still watched"
    ),
    "DUPLICATES": (
        "what becomes of money that came twice: `review`, staff decide; `refund`,"
        " it is refunded, or voided where it is only held"
    ),
    "METHOD_OVERRIDES": (
        "code of a payment method → what differs from [our"
        " table](payment_methods.md): `LABEL`, `MIN`, `MAX`, `CURRENCIES`, `REFUNDS`,"
        " `CANCELS`, `CONFIRMS_WITHIN`"
    ),
    "REQUIRE_LIABILITY_SHIFT": (
        "stop before the charge unless the issuer takes the liability (three steps"
        " only)"
    ),
    "RATE_LIMITS": (
        "velocity limits: attempts that failed or are under way before the next one has"
        " to wait, as (count, seconds). A dict changes some, `None` for one switches it"
        " off, `'off'` all. `address` counts IPv6 by /64, `clerk` the phone orders and"
        " card verifications of one user. Above `everyone` guests are refused, unless"
        " `CAPTCHA` lets them pass. See [Security](security.md#velocity-limits)"
    ),
    "TRUSTED_PROXIES": (
        "addresses and networks of your own proxies, `['10.0.0.0/8']`: the visitor's"
        " address is read from their header. `'unix'` is the proxy in front of a server"
        " that listens on a unix socket"
    ),
    "RETENTION": (
        "seconds after which `nexi_purge` erases names, e-mails, descriptions and IP"
        " addresses. `None` = never. Amounts and states always stay"
    ),
    "AUDIT_RETENTION": (
        "seconds for which names, IP addresses and reasons of staff stay, whatever"
        " `RETENTION` says: 366 days. `None` = for ever. See"
        " [The audit trail](audit.md)"
    ),
    "MERCHANT_NAME": "the shop's name as its customers know it, shown above the amount",
    "MAILS": (
        "automatic emails to customers: `['receipt', 'charge_failed', 'card_expires']`."
        " See [Emails](emails.md)"
    ),
    "MAIL_LANGUAGE": (
        "dotted path of a function that gets an order or a contract and returns the"
        " language of the email"
    ),
    "INTEGRITY": (
        "whether our `<script>` and stylesheet tags have subresource integrity hashes."
        " For static files on another host, which must send"
        " `Access-Control-Allow-Origin`"
    ),
    "EXEMPTION_RULE": (
        "dotted path of a function that gets a new order and returns its SCA"
        " preference: `CHALLENGE_REQUESTED`, `NO_PREFERENCE`, or `None`"
    ),
    "BEFORE_CHARGE": (
        "dotted path of a function that gets an order just before its charge and may"
        " veto it. See [Hooks](hooks.md)"
    ),
    "CAPTCHA": (
        "dotted path of a function that is asked while `everyone` is reached, and sends"
        " a guest to your captcha or lets it pass. See [Hooks](hooks.md)"
    ),
    "IS_VERIFIED": (
        "dotted path of a function that gets a request and says whether its user has"
        " proved more than a password. Admin and API ask it before money moves. See"
        " [Hooks](hooks.md)"
    ),
    "API_PASSWORD_AUTHENTICATION": (
        "authentication classes of the API that may move money although they prove a"
        " password alone:"
        " `['rest_framework.authentication.BasicAuthentication']`. Empty = none"
    ),
    "REFERENCE_LOOKUP": (
        "dotted path of a function that tells the phone order desk what a reference"
        " stands for. See [Hooks](hooks.md)"
    ),
    "REFERENCE_LOOKUP_STRICT": (
        "whether phone orders are refused whose reference `REFERENCE_LOOKUP` does not"
        " know, or with another amount. Otherwise the clerk has to confirm them"
    ),
    "MASK_CARD_NUMBER": (
        "whether the pages of staff hide the digits of a card number also while they"
        " are typed. Otherwise they are hidden when the field is left"
    ),
    "REFUND_REASON_REQUIRED": (
        "whether staff must choose a reason for each refund. Your own code need not"
    ),
    "CHARGE_RETRIES": (
        "seconds after a soft decline at which a recurring charge is tried again."
        " Empty = never"
    ),
    "TERMINAL_RIGHTS": (
        "group → terminal → what its members may do there: `see`, `take`, `refund`."
        " Empty: a permission holds on all terminals. See [Security](security.md)"
    ),
    "APPROVAL_CEILINGS": (
        "permission → group → currency → the largest amount, in minor units, that a"
        " person moves alone. Above it another person approves. See"
        " [Security](security.md)"
    ),
    "COMMUNICATION_LOG": (
        "how long the calls of a payment to Nexi are kept, without cards, personal data"
        " and secrets, for staff with `view_communication_log`. 0 = nothing is logged"
    ),
    "SIMULATOR_STATE": (
        "a file in which the built-in simulator keeps its orders. Empty = a file beside"
        " your SQLite database, or in `BASE_DIR`; `':memory:'` = each process its own."
        " See [Test cards](test-cards.md#its-orders)"
    ),
}

TERMINAL: Final = {
    "API_KEY": "the secret of `X-Api-Key`, one for each terminal and environment",
    "ENVIRONMENT": (
        "`simulator`, `sandbox` or `production`. A key alone means the sandbox; no key"
        " and DEBUG the simulator; production must be set"
    ),
    "BASE_URL": (
        "everything before `/orders`, if it is not Nexi's. http only on this machine"
    ),
    "FLOW": "`3steps`, or `2steps` (the charge itself checks the result of 3-D Secure)",
    "CAPTURE": (
        "`automatic`: captured with the charge. `manual`: authorized, until you capture"
        " or void"
    ),
    "MOTO": "whether clerks may charge phone orders",
    "MAX_AMOUNT": "a Decimal in major units (euro, not cents): the largest amount",
    "CURRENCIES": (
        "the currencies that it takes; others are rejected. Name each one that your"
        " contract with Nexi has, `['EUR', 'CHF']`. Not set: only EUR"
    ),
    "THREE_DS_HOSTS": (
        "hosts on which 3-D Secure may begin. Empty = the one of `BASE_URL`"
    ),
    "LINK_TERMINAL": (
        "the terminal on which secure payment links of this one are paid. Empty ="
        " `default` where this one takes phone orders, else this one"
    ),
    "LINKS": (
        "`nexi`: [Nexi's payment links](payment_methods.md#nexis-payment-links), too."
        " `own_page`: only secure links to your page"
    ),
    "CARDS": (
        "`own_page`: cards are entered on your pages. `hosted_page`: on Nexi's only,"
        " and no card number touches this server"
    ),
    "METHODS": (
        "other methods, on Nexi's hosted page: `'auto'` for all that Nexi lists for the"
        " terminal, or codes in your order, `['PAYPAL', 'APPLEPAY']`. Empty = none"
    ),
    "HOSTED_TERMINAL": (
        "the terminal whose key opens Nexi's hosted page. Empty = this one"
    ),
    "HOSTED_PAGE_HOSTS": ("hosts of Nexi's hosted page. Empty = the one of `BASE_URL`"),
    "EXEMPTION": (
        "SCA preference. `CHALLENGE_REQUESTED`: the issuer is asked for a challenge;"
        " `NO_PREFERENCE` leaves it to the issuer"
    ),
}

SIGNALS: Final = {
    "payment_paid": "captured: ship. May follow `payment_failed` within `WATCH_FOR`",
    "payment_authorized": "authorized, not captured: capture when you ship",
    "payment_failed": (
        "this attempt failed, nothing was charged; the shopper may retry, unless"
        " `event.reason` is `cancelled`: you, or your staff, cancelled it"
    ),
    "payment_superseded": (
        "another attempt, `event.successor`, took the place of this one before it was"
        " charged. No failure: do nothing, or follow the successor"
    ),
    "payment_refunded": (
        "a confirmed refund, full or partial; `event.operation.amount` is its amount"
    ),
    "payment_voided": "the authorization was voided: nothing was captured",
    "payment_captured": (
        "a further partial capture was confirmed; the first one sends `payment_paid`"
    ),
    "capture_cancelled": (
        "a capture was reversed on its day; if it was the only one,"
        " `payment_authorized` follows"
    ),
    "refund_failed": (
        "a refund of `flows.enqueue_refund` was given up: the money has not gone back."
        " `event.queued_refund` is its row"
    ),
    "contract_activated": "a card is saved, and may be charged: `order.contract`",
    "contract_on_hold": (
        "the contract is suspended: a recurring charge failed for good (ask the"
        " customer), or the terminal no longer accepts it (`event.note` says why)"
    ),
    "contract_ended": "a saved card may not be charged any more",
    "payment_needs_review": "contradictory responses: staff decide. Do not ship",
    "payment_duplicate": (
        "a failed attempt was charged late, beside another attempt of the same"
        " purchase or after you had cancelled it: staff decide what is refunded."
        " `payment_needs_review` was sent before"
    ),
    "discrepancy_found": "a discrepancy with Nexi: alert your staff",
}

URLS: Final = {
    "pay": "the card page; `order.page_url()`",
    "return": "`ReturnUrl`: the return from 3-D Secure. Exempt from CSRF",
    "hosted": "back from Nexi's hosted page, paid or not. Exempt from CSRF",
    "notify": "notifications of Nexi, POST only. Exempt from CSRF",
    "result": "the outcome: on to `success_url`, another card, or wait",
    "status": "JSON `state`, `final`, `message`, `next`, for polling",
    "link": "entry of a secure payment link",
    "csp_report": (
        "reports of browsers about a violated Content-Security-Policy, POST only."
        " Exempt from CSRF"
    ),
    "simulator": "the built-in simulator's issuer page; 404 with a real gateway",
}

#: Why an order failed or is under review. operations.md has the discrepancies in full.
REASONS: Final = {
    "declined": "Nexi or the issuer declined; `response_code` is theirs",
    "not_authenticated": "3-D Secure failed",
    "no_liability_shift": "authenticated, but without liability shift to the issuer",
    "3ds_unavailable": "no 3-D Secure for this card: nothing is charged without",
    "unsafe_3ds_url": "3-D Secure was to begin on a host that is not allowed",
    "unsafe_hosted_url": "Nexi's hosted page was to be on a host that is not allowed",
    "hosted_page_unknown": "no usable response with the URL of Nexi's hosted page",
    "cancelled_by_payer": "the shopper gave up on Nexi's hosted page",
    "not_sent": "Nexi could not be reached: nothing left this machine",
    "rejected": "a complete 4xx, and two late inquiries without a charge",
    "busy": (
        "429: Nexi accepted no more requests, and two late inquiries show no charge"
    ),
    "config": "Nexi does not know our key, or the address is wrong",
    "init_unknown": "no usable response before 3-D Secure: nothing can be charged",
    "validation_unknown": "no usable response to the validation, sent twice",
    "unknown_result": "a result before the charge that is not in the reference",
    "mismatch": "another order, amount or currency than ours",
    "card_expired": "returned after `SEALED_CARD_TTL`: the sealed card is deleted",
    "card_not_stored": "the cache for sealed cards was unavailable",
    "vetoed": "`BEFORE_CHARGE` said no, `event.note` is its sentence; nothing was sent",
    "check_failed": "`BEFORE_CHARGE` failed, so nothing was sent; pay again later",
    "expired": "no card was submitted in time, or the shopper did not return",
    "abandoned": "returned from 3-D Secure, and the worker died before the charge",
    "superseded": "another attempt took its place",
    "cancelled": "the shop or its staff cancelled it before it was paid",
    "unconfirmed": "no charge in three late inquiries, the last past `SETTLE_AFTER`",
    "unexpected_charge": "Nexi shows a charge where none was sent",
    "charged_after_decline": "Nexi declined, and charged later",
    "late_charge": "charged after the attempt had failed",
    "reference_taken": (
        "charged late, beside another attempt of the same purchase: a duplicate"
    ),
    "charged_after_cancel": "charged late, although the shop had cancelled it",
    "no_details": (
        "charged without an amount or a currency, or refunded without saying how much"
    ),
    "still_pending": (
        "no final result in all of `WATCH_FOR`: PENDING, an unknown result, or lists"
        " that prove nothing"
    ),
    "two_authorizations": "Nexi shows two charges for one order",
    "made_at_nexi": "Nexi shows operations that do not fit the payment",
    "contradiction": "Nexi says the contrary of its own final result of the charge",
    "capture_cancelled": "the only capture was reversed on its day: authorized again",
    "lapsed": "an authorization that ended at Nexi without a void of ours",
    "restored": "at Nexi with our prefix, and not in the restored database",
    "resolved": "staff decided, and Nexi agreed",
}
