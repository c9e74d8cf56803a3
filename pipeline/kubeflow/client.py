"""kfp's client, made to say in one line what is wrong. Importing this imports kfp."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator

import kfp
import urllib3.exceptions as http
from kfp.client.token_credentials_base import TokenCredentialsBase, read_token_from_file
from kfp_server_api import ApiException

from pipeline.kubeflow.connection import Connection
from pipeline.kubeflow.connection_options import TOKEN_VARIABLE

TIMEOUT_SECONDS = (5, 30)  # to connect, to answer; kfp itself waits for ever
LONGEST_MESSAGE = 400  # characters: the server's messages repeat the whole chain of calls

logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its retries are no news


class ClusterError(OSError):
    """Kubeflow Pipelines could not be asked, or refused; the text says what to do.

    Attributes:
      status: of the HTTP answer; None when there was none.
      is_passing: whether the same request may work a little later.
    """

    def __init__(self, message: str, status: int | None = None, is_passing: bool = False):
        super().__init__(message)
        self.status = status
        self.is_passing = is_passing


class Client(kfp.Client):
    """A client that was let in: made for one connection, its server has answered.

    Unlike kfp's own it reads and writes no settings in the home folder, asks no kubeconfig, gives up
    when there is no answer, and raises ClusterError whenever a request fails.

    Attributes:
      connection: what it was made for.
      namespace: of the runs; None where Kubeflow has one user only, who may not name any.
    """

    def __init__(self, connection: Connection):
        self.connection = connection
        credentials = TokenFile(connection) if connection.token_file else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it only works with Kubeflow Pipelines 2
            super().__init__(
                host=connection.host,
                ui_host=connection.ui_host,
                namespace=connection.namespace,
                existing_token=connection.token,
                credentials=credentials,
                ssl_ca_cert=connection.ca_cert,
            )
        is_multi_user = bool(self.get_kfp_healthz().multi_user)
        self.namespace = (
            (connection.namespace or self.get_user_namespace() or None) if is_multi_user else None
        )
        self.set_user_namespace(self.namespace or "")
        if is_multi_user and not self.namespace:
            raise ClusterError(
                f"{connection.host} serves many users: say whose runs these are with --namespace, "
                "HEADSTART_KFP_NAMESPACE or cluster.namespace"
            )

    def link(self, run_id: str) -> str:
        """Returns the address of a run in the user interface."""
        return f"{self.connection.ui_host}/#/runs/details/{run_id}"

    def experiment_id(self, name: str) -> str:
        """Returns the id of the experiment with a name, which is created when missing."""
        with _quiet():
            try:
                return self.create_experiment(name, namespace=self.namespace).experiment_id
            except ClusterError as error:
                if error.status != 409:  # somebody else created it just now
                    raise
                return self.get_experiment(experiment_name=name, namespace=self.namespace).experiment_id

    def run_pipeline(self, *arguments, **options):
        with _quiet():
            return super().run_pipeline(*arguments, **options)

    def get_kfp_healthz(self, sleep_duration: int = 0):
        self._watch_requests()
        return super().get_kfp_healthz(sleep_duration)

    def set_user_namespace(self, namespace: str) -> None:
        """Remembers the namespace in this object; kfp's own way writes it into the home folder."""
        self._context_setting["namespace"] = namespace.strip()

    def _load_context_setting_or_default(self) -> None:
        self._context_setting = {"namespace": ""}

    def _watch_requests(self) -> None:
        """Gives every request a time limit, and every failure its words. All services share one transport."""
        transport = self._run_api.api_client.rest_client
        send = transport.request
        if getattr(send, "is_watched", False):
            return

        def request(method, url, *arguments, **options):
            options["_request_timeout"] = options.get("_request_timeout") or TIMEOUT_SECONDS
            try:
                response = send(method, url, *arguments, **options)
            except ApiException as error:
                raise _refusal(self.connection, error, url) from None
            except http.HTTPError as error:
                raise _failure(self.connection, error) from None
            if not _is_json(response.data):
                raise _not_kubeflow(self.connection, url)
            return response

        request.is_watched = True
        transport.request = request


class TokenFile(TokenCredentialsBase):
    """A token that is read again for each request, because Kubernetes replaces it every hour."""

    def __init__(self, connection: Connection):
        self._file = connection.token_file

    def refresh_api_key_hook(self, config) -> None:
        try:
            token = read_token_from_file(str(self._file))
        except (OSError, UnicodeDecodeError) as error:
            raise ClusterError(f"the token cannot be read from {self._file}: {error}") from None
        if not token:
            raise ClusterError(f"the token file {self._file} is empty")
        config.api_key["authorization"] = token


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drops kfp's own lines, such as "Run details: LINK"."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body or b"{}")
    except ValueError:
        return False
    return True


def _not_kubeflow(connection: Connection, url: str) -> ClusterError:
    return ClusterError(
        f"{url.partition('?')[0]} answered with a page, not as Kubeflow Pipelines does. Perhaps a login page "
        f"stands before it: give a token ({TOKEN_VARIABLE} or --token-file). Or the host {connection.host} "
        "lacks /pipeline at its end, or has it too much"
    )


def _failure(connection: Connection, error: http.HTTPError) -> ClusterError:
    """Words for a request that got no answer."""
    reason = getattr(error, "reason", None) or error
    host = connection.host
    if isinstance(reason, http.SSLError):
        return ClusterError(
            f"no secure connection to {host}: {_short(str(reason))}. With a company's own certificates, give "
            "--ca-cert FILE; where the server has none, an address with http://"
        )
    is_refused = isinstance(reason, http.NewConnectionError)  # which urllib3 counts among the timeouts
    if isinstance(reason, http.TimeoutError) and not is_refused:
        return ClusterError(
            f"{host} does not answer in time. Is the address right, and may this machine reach it?",
            is_passing=True,
        )
    # The innermost of the causes, as in ProtocolError("Connection aborted", RemoteDisconnected("...")).
    cause = str(reason.args[-1] if isinstance(reason, http.ProtocolError) else reason).rpartition(": ")[2]
    return ClusterError(
        f"{host} cannot be reached: {_short(cause)}. Is the address right, does a port-forward still run?",
        is_passing=True,
    )


def _refusal(connection: Connection, error: ApiException, url: str) -> ClusterError:
    """Words for an answer other than success."""
    host, status = connection.host, error.status
    if not status:  # kfp's word for a TLS error that urllib3 did not wrap
        return _failure(connection, http.SSLError(error.reason))
    message = _message(error.body)
    whose = f" in namespace {connection.namespace}" if connection.namespace else ""
    if status == 401:
        used = connection.token_file or (TOKEN_VARIABLE if connection.token else "")
        advice = f"there was none; set {TOKEN_VARIABLE} or give --token-file"
        text = f"the token of {used} was refused" if used else advice
        return ClusterError(f"{host} asks for credentials (401): {text}", status)
    if status == 403:
        reason = message or _plain(error.body) or "no reason given"
        return ClusterError(f"{host} does not allow this{whose} (403): {reason}", status)
    if status == 404 and message is None:
        path = url.removeprefix(host).partition("?")[0]
        return ClusterError(
            f"{host} has nothing at {path} (404). Is it the address of Kubeflow Pipelines? Often /pipeline "
            "is missing at its end",
            status,
        )
    names = {400: "refused the request", 404: "does not know it", 409: "has it already", 429: "is busy"}
    what = names.get(status, "failed")
    is_passing = status >= 500 or status == 429
    return ClusterError(
        f"{host} {what} ({status}): {message or _plain(error.body) or error.reason}", status, is_passing
    )


def _message(body: bytes | str | None) -> str | None:
    """Returns what the API itself says about an error, or None for an answer of anything else."""
    try:
        answer = json.loads(body or "")
    except ValueError:
        return None
    if not isinstance(answer, dict):
        return None
    message = answer.get("message") or answer.get("error")
    return _short(str(message)) if message else None


def _plain(body: bytes | str | None) -> str | None:
    """Returns a plain text that a proxy answered; None for a page."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    return _short(text) if text and "<" not in text else None


def _short(text: str) -> str:
    """Returns a message on one line; of a long one the end, where the server names the cause."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_MESSAGE else f"... {text[-LONGEST_MESSAGE:]}"
