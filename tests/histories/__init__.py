"""Random shops under random faults, judged from the outside: ``make histories``."""
