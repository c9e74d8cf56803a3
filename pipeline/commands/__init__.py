"""The commands of `headstart`, by what they work on.

Each imports inside its function what it needs, so that --help answers at once.
"""
