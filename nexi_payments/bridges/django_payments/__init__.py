"""django-payments: ``PAYMENT_VARIANTS`` with ``provider.NexiProvider``.

The app belongs into ``INSTALLED_APPS``: it is its receivers that change the status of a
payment, in whatever process the outcome becomes known.
"""
