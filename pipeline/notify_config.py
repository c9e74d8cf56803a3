"""Who is told how a run ended: the section `notify` of a config."""

import re
import shlex
from typing import Optional

from pydantic import model_validator

from components.report.summary import Outcome
from modules.recipe import PositiveFloat
from modules.settings import settings


@settings
class Notify:
    on: tuple[Outcome, ...] = ("not_blessed", "withdrawn", "data_refused", "failed")
    """Outcomes that are told: pushed, unchanged (the model that serves was trained again), judged (not to be pushed), not_blessed, withdrawn (a model that was rolled back), data_refused, failed."""
    command: Optional[str] = None
    """Command that is run with the notification as JSON on its standard input; without a shell, so that quotes group words and nothing else has a meaning."""
    url_env: Optional[str] = None
    """Name of the environment variable that holds the address to which the JSON is posted; the address is a secret and never stands in the config."""
    timeout_seconds: PositiveFloat = 10.0
    """Longest time for the command, and for the answer of the address, in seconds."""

    @model_validator(mode="after")
    def check_receiver(self):
        if self.command is None and self.url_env is None:
            raise ValueError("nobody is told: set notify.command or notify.url_env, or leave notify out")
        # Checked here and not at its own key, whose value would be shown: it may be the secret itself.
        if self.url_env is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.url_env):
            raise ValueError(
                "url_env must be the name of an environment variable, such as HEADSTART_NOTIFY_URL. Put the "
                "address into that variable, not into the config"
            )
        return self

    @model_validator(mode="after")
    def check_command(self):
        if self.command is not None:
            try:
                words = shlex.split(self.command)
            except ValueError as error:
                raise ValueError(f"command cannot be split into words: {error}. Close its quotes") from None
            if not words:
                raise ValueError("command is empty. Name a program, or leave it out")
        return self
