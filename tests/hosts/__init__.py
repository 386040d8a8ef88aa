"""Projects that are set up otherwise than most; each is run by ``test_other_hosts``."""
