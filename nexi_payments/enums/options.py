"""Choices of the settings, channels and contracts. Constants only."""

from __future__ import annotations

from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Flow(TextChoices):
    """``PaymentOrder.flow``: how 3-D Secure runs. The setting ``FLOW``."""

    THREE_STEPS = "3steps"
    TWO_STEPS = "2steps"


class CardEntry(TextChoices):
    """Where shoppers enter cards. The setting ``CARDS``."""

    #: on the shop's own card page
    OWN_PAGE = "own_page"
    #: on Nexi's hosted page: no card number touches this server
    HOSTED_PAGE = "hosted_page"


class PaymentLinks(TextChoices):
    """Whose payment links may be sent. The setting ``LINKS``."""

    #: secure links to the shop's own page
    OWN_PAGE = "own_page"
    #: those, and Nexi's pay-by-link
    NEXI = "nexi"


class Duplicates(TextChoices):
    """What becomes of money that came twice. The setting ``DUPLICATES``."""

    #: staff decide
    REVIEW = "review"
    #: it is refunded, or voided where it is only held
    REFUND = "refund"


class CaptureMode(TextChoices):
    """``PaymentOrder.capture``: who captures. The setting ``CAPTURE``."""

    #: Nexi, with the authorization
    AUTOMATIC = "automatic"
    #: the shop, later
    MANUAL = "manual"


class Channel(TextChoices):
    """``PaymentOrder.channel``: who entered the card, and where."""

    SHOP = "shop", _("shop")
    #: staff, on the phone
    MOTO = "moto", _("phone")
    #: the customer, on the 3-D Secure page behind a secure payment link
    LINK = "link", _("secure link")
    #: no person: a merchant-initiated charge of a contract
    MIT = "mit", _("card on file")


#: Charged in one call, without 3-D Secure: Nexi's id is unknown before the response.
SINGLE_CALL: Final = frozenset({Channel.MOTO, Channel.MIT})
#: Where a contract may be created. Not by phone: the customer reads no terms there.
CONTRACT_CHANNELS: Final = frozenset({Channel.SHOP, Channel.LINK})
#: Orders that staff created.
STAFF_CHANNELS: Final = frozenset({Channel.MOTO, Channel.LINK})


class ContractState(TextChoices):
    """``Contract.state``: a saved card at Nexi."""

    #: its first payment is not charged yet
    REQUESTED = "requested", _("not confirmed yet")
    ACTIVE = "active", _("active")
    #: a charge was declined for good, or the terminal does not accept it: staff
    #: decide
    SUSPENDED = "suspended", _("suspended")
    #: ended here; Nexi has not confirmed, and the request is sent again until it does
    ENDING = "ending", _("being ended")
    ENDED = "ended", _("ended")
    #: its first payment failed: there is no contract at Nexi
    NOT_MADE = "not_made", _("not made")


class ContractKind(TextChoices):
    """``Contract.kind``: when it may be charged."""

    UNSCHEDULED = "unscheduled", _("when the shop asks")
    SCHEDULED = "scheduled", _("at regular times")
