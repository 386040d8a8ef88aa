"""The REST API for headless shops: ``include("nexi_payments.api.urls")``.

Needs the extra ``api`` (Django REST framework, drf-spectacular). Only ``urls`` imports
these packages, so a shop without the API does not load them. ``client_secret`` needs
neither.
"""

from nexi_payments.api.client_secrets import client_secret

__all__ = ["client_secret"]
