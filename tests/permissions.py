"""Lets tests that run as root be bound by permissions, as a user is."""

import contextlib
import os

NOBODY = 65534  # user id without rights, on every Linux


@contextlib.contextmanager
def bound_by_permissions():
    """Root reads everything; this makes a test running as root a user whom permissions bind."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
