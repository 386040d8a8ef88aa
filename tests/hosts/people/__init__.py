"""An app of a host, with user models whose keys are no small number."""
