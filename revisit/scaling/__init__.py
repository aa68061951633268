"""From many runs to a fitted law and a report."""
