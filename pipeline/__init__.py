"""The command line, the typed config, the DAG and its runners."""

__version__ = "0.1.0"
