"""The last step: a run whose model may not serve ends as a failed run."""
