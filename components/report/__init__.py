"""The page that a person reads to decide about a model, and a summary for programs."""
