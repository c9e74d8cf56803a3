"""Infers a schema from the train split, and checks the one that a user keeps."""
