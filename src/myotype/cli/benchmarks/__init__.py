"""What ``myotype bench`` measures: a file for each part, with a function ``measure`` that gives its figures."""
