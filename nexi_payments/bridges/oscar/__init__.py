"""django-oscar: the order first, then our card page; sources and transactions follow.

``checkout.NexiCheckout`` goes into a forked checkout app; this app into
``INSTALLED_APPS``, for its receivers write what has happened to the money, in whatever
process it becomes known.
"""
