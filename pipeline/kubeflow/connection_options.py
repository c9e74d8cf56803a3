"""The options by which `submit` and `schedule` reach Kubeflow Pipelines, and their environment variables."""

import dataclasses
import functools
from collections.abc import Callable

import click

# Where KFP's own manifests mount a token for its API, bound to the audience pipelines.kubeflow.org.
MOUNTED_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"
TOKEN_VARIABLE = "HEADSTART_KFP_TOKEN"

OPTIONS = (
    click.option(
        "--host",
        envvar="HEADSTART_KFP_HOST",
        show_envvar=True,
        help="Address of the Kubeflow Pipelines API, else cluster.host of the config.",
    ),
    click.option(
        "--ui-host",
        envvar="HEADSTART_KFP_UI_HOST",
        show_envvar=True,
        help="Address that people open, for the links; the host by default.",
    ),
    click.option(
        "--namespace",
        envvar="HEADSTART_KFP_NAMESPACE",
        show_envvar=True,
        help="Whose runs these are in a multi-user Kubeflow, else cluster.namespace.",
    ),
    click.option(
        "--experiment",
        envvar="HEADSTART_KFP_EXPERIMENT",
        show_envvar=True,
        help="Experiment, created when missing, else cluster.experiment, else the pipeline's name.",
    ),
    click.option(
        "--token-file",
        envvar="HEADSTART_KFP_TOKEN_FILE",
        show_envvar=True,
        type=click.Path(),
        help=f"File with the bearer token, read again for each request. {TOKEN_VARIABLE} may hold the token "
        f"itself. By default {MOUNTED_TOKEN}, where it is mounted.",
    ),
    click.option(
        "--ca-cert",
        envvar="HEADSTART_KFP_CA_CERT",
        show_envvar=True,
        type=click.Path(),
        help="File with the certificates to trust, for an https address with a company's own.",
    ),
)


@dataclasses.dataclass(frozen=True)
class Flags:
    """What was given on the command line or in the environment."""

    host: str | None = None
    ui_host: str | None = None
    namespace: str | None = None
    experiment: str | None = None
    token_file: str | None = None
    ca_cert: str | None = None


def connection_options(command: Callable) -> Callable:
    """Gives a click command the options of a connection; it receives them as one argument, `flags`."""
    names = [field.name for field in dataclasses.fields(Flags)]

    @functools.wraps(command)
    def with_flags(*arguments, **options):
        return command(*arguments, flags=Flags(**{name: options.pop(name) for name in names}), **options)

    for option in reversed(OPTIONS):
        with_flags = option(with_flags)
    return with_flags
