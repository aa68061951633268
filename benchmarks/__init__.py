"""What `make bench` runs: one question a module, answered by a table of ratios."""
