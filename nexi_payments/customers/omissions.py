"""Reasons why a value is not sent to Nexi. Stored; the admin translates them."""

from typing import Final

NO_COUNTRY: Final = "no_country"
NO_PROVINCE: Final = "no_province"
NO_PHONE: Final = "no_phone"
NO_EMAIL: Final = "no_email"
NO_DATE: Final = "no_date"
NO_NUMBER: Final = "no_number"
NO_TEXT: Final = "no_text"
UNKNOWN: Final = "unknown"
CARD: Final = "card"
