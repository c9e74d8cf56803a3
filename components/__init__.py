"""Custom TFX components, a folder each: component.py declares, the other files work."""


def __getattr__(name: str):
    """Returns a class of components/artifacts.py: a type of artifacts is called by its path, components.NAME.

    They are imported when asked for, because the command line uses this package and must not import TFX.
    """
    if not name[:1].isupper():  # a submodule that is not there, or a name of Python's own
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from components import artifacts

    return getattr(artifacts, name)
