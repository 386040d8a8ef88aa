"""Shops on other packages, which are installed into an environment of their own, and
a Chromium that buys in them: ``make bridges``."""
