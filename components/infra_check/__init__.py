"""Lets the exported model answer real images in a clean process, within budgets."""
