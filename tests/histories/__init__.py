"""Random shops under random faults, checked from outside: ``make histories``."""
