"""Fetches the model that serves now, for the Evaluator to compare with."""
