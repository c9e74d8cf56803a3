"""How Kubeflow Pipelines is reached: from flags, else the environment, else the `cluster` of a config."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.cluster_config import Cluster
from pipeline.kubeflow.connection_options import MOUNTED_TOKEN, TOKEN_VARIABLE, Flags


@dataclasses.dataclass(frozen=True)
class Connection:
    """Complete and checked, as far as that is possible without asking the server."""

    host: str
    """Address of the API, with http:// or https:// and without a slash at the end."""
    ui_host: str
    """Address that people open."""
    namespace: str | None = None
    experiment: str | None = None
    token: str | None = None
    token_file: Path | None = None
    ca_cert: str | None = None


def connection_of(
    flags: Flags, cluster: Cluster | None = None, environment: Mapping[str, str] = os.environ
) -> Connection:
    """Returns where and as whom to connect.

    Args:
      flags: from the command line; click has read the environment's variables into them.
      cluster: section `cluster` of a config, when there is one.
      environment: may hold the token.

    Raises:
      ValueError: when there is no address, or one that is none.
      FileNotFoundError: for a file of a token or of certificates that is not there.
    """
    cluster = cluster or Cluster()
    host = _address(flags.host or cluster.host, "--host")
    token = (environment.get(TOKEN_VARIABLE) or "").strip() or None
    token_file = _existing(flags.token_file, "--token-file")
    if token_file is None and token is None and Path(MOUNTED_TOKEN).exists():
        token_file = Path(MOUNTED_TOKEN)
    ca_cert = _existing(flags.ca_cert, "--ca-cert")
    return Connection(
        host=host,
        ui_host=_address(flags.ui_host, "--ui-host") if flags.ui_host else host,
        namespace=flags.namespace or cluster.namespace,
        experiment=flags.experiment or cluster.experiment,
        token=None if token_file else token,
        token_file=token_file,
        ca_cert=str(ca_cert) if ca_cert else None,
    )


def _address(text: str | None, flag: str) -> str:
    if not text:
        raise ValueError(
            "there is no address of Kubeflow Pipelines. Give --host, set HEADSTART_KFP_HOST, or set "
            "cluster.host in the config. In the cluster it is http://ml-pipeline.kubeflow:8888; outside, "
            "`kubectl port-forward -n kubeflow svc/ml-pipeline 8888` makes it http://localhost:8888"
        )
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        known = False
    if not known:
        raise ValueError(
            f"{flag}: got {text!r}. Use an address with http:// or https://, as in http://localhost:8888"
        )
    return text.rstrip("/")


def _existing(file: str | None, flag: str) -> Path | None:
    if file is None or Path(file).is_file():
        return Path(file) if file else None
    raise FileNotFoundError(f"{flag}: there is no file {file}")
