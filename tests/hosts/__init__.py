"""Projects with unusual settings. ``test_other_projects`` runs each."""
