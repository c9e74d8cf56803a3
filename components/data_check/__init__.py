"""Decides before training whether the data may be trained on."""
