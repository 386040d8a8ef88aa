"""Four projects that are not ours; ``life.py`` is run in each of them."""
