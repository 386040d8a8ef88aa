"""Other people's shops, with their real packages in an environment of its own (``make
bridges``), and a Chromium that buys in them."""
