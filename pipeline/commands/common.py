"""What several commands share: arguments, exit codes, and how a user's mistake is shown."""

import os
import sys
import warnings

import click

BAD_INPUT, STALE = 2, 5

CONFIG_ARGUMENT = click.argument("config", type=click.Path())
SET_OPTION = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override one value of the config; may be repeated. A relative path here is relative to the "
    "working directory, one in the config to the config.",
)
BECAUSE_OPTION = click.option(
    "--because",
    default="",
    metavar="TEXT",
    help="Why the run is started; the version that it pushes says so. Words that begin with a withdrawn "
    'version, such as "version 7: ...", let its model through when newer code has made it again.',
)


class UserError(click.ClickException):
    """A mistake of the user, shown without a traceback."""

    exit_code = BAD_INPUT


def quiet_tensorflow() -> None:
    """Leaves out what libraries say while they are loaded: it is no news of a pipeline that is compiled."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def set_arguments(sets: tuple[str, ...]) -> list[str]:
    """Returns the --set options again, for a command that is shown as the next one."""
    return [part for override in sets for part in ("--set", override)]


def load(config: str, sets: tuple[str, ...]):
    """Returns the complete Config; ends the command when it cannot be used."""
    from pipeline.config_file import load_config
    from pipeline.problems import ConfigError

    try:
        return load_config(config, sets)
    except ConfigError as error:
        raise UserError(str(error)) from None


def checked(name: str, config):
    """Returns what `check` found about a complete Config; ends the command when there is any problem."""
    from pipeline.check import check_config
    from pipeline.problems import ConfigError

    checkup = check_config(config)
    if checkup.problems:
        raise UserError(str(ConfigError(name, checkup.problems)))
    return checkup
