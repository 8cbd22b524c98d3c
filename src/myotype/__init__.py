"""myotype reads what a person types from the muscles of the forearms."""
