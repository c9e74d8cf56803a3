"""Headstart against the plain way of doing the same, in the same run, as ratios."""
