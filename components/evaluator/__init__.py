"""Judges the candidate on the test split, against thresholds and against the version before."""
