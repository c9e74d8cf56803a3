"""A server on the loopback interface that speaks Kubeflow Pipelines' v2beta1 API, as far as kfp asks it.

It keeps experiments, runs and recurring runs, notes every request, and can be told to misbehave.
"""

import contextlib
import json
import re
import ssl
import threading
import time
import urllib.parse
import uuid
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

START = datetime(2026, 11, 21, 7, 0, tzinfo=timezone.utc)
NEVER = "1970-01-01T00:00:00Z"  # what Kubeflow gives as the end of what has not ended
PREFIX = "/apis/v2beta1"


class KfpServer:
    """State and wishes of one server; use it as a context manager.

    Attributes:
      requests: (method, path, body) of each, in order.
      experiments, runs, recurring_runs: resources by their id, as the API gives them.
      progress: for each poll of a run, what its state and its tasks' are; the last one stays.
      token: a bearer token that is asked for, when set.
      namespace: the one that may be used, in multi-user mode; None for a server with one user.
      answers: (method, end of the path) to (status, body) or (status, body, content type): given instead.
      delay_seconds: before each answer.
      page_size: most resources of one page.
    """

    def __init__(self, certificate: str | None = None):
        self.requests: list[tuple[str, str, dict | None]] = []
        self.experiments: dict[str, dict] = {}
        self.runs: dict[str, dict] = {}
        self.recurring_runs: dict[str, dict] = {}
        self.progress: list[tuple[str, dict[str, dict]]] = [("RUNNING", {})]
        self.token: str | None = None
        self.namespace: str | None = None
        self.answers: dict[tuple[str, str], tuple] = {}
        self.delay_seconds = 0.0
        self.page_size = 2
        self._polls = 0
        self._ids = 0
        server = self

        class Handler(_Handler):
            state = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
            scheme = "https"
        self.address = f"{scheme}://localhost:{self._http.server_port}"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()

    def posted(self, end: str) -> list[dict]:
        """Returns the documents that were posted to paths with an end."""
        return [body for method, path, body in self.requests if method == "POST" and path.endswith(end)]

    def changes(self) -> list[str]:
        """Returns all requests that were no mere questions, such as "DELETE recurringruns/ID"."""
        return [
            f"{method} {path.removeprefix(PREFIX + '/')}"
            for method, path, _ in self.requests
            if method != "GET"
        ]

    def reply(self, method: str, path: str, query: dict[str, str], body: dict | None) -> tuple[int, dict]:
        """Returns status and document for a request."""
        resource, *rest = path.removeprefix(f"{PREFIX}/").split("/")
        identifier, _, verb = (rest[0] if rest else "").partition(":")
        if resource == "healthz":
            return 200, {"multi_user": True} if self.namespace else {}
        stores = {
            "experiments": (self.experiments, "experiments", "experiment_id"),
            "runs": (self.runs, "runs", "run_id"),
            "recurringruns": (self.recurring_runs, "recurringRuns", "recurring_run_id"),
        }
        if resource not in stores:
            return 404, {}
        store, plural, id_name = stores[resource]
        if method == "GET" and not identifier:
            return self._list(store, plural, query)
        if method == "POST" and not identifier:
            return self._create(store, id_name, body)
        if identifier not in store:
            message = f"Failed to get {resource} {identifier}: ResourceNotFoundError: {identifier} not found"
            return 404, {"error": message, "code": 5, "message": message, "details": []}
        if method == "DELETE":
            del store[identifier]
            return 200, {}
        if verb in ("enable", "disable"):
            store[identifier] |= {"mode": verb.upper(), "status": f"{verb.upper()}D"}
            return 200, {}
        if resource == "runs":
            self._advance(store[identifier])
        return 200, store[identifier]

    def _list(self, store: dict, plural: str, query: dict[str, str]) -> tuple[int, dict]:
        if self.namespace != (query.get("namespace") or None):
            return 400, {"code": 3, "message": f"Invalid input error: namespace {query.get('namespace')!r}"}
        wanted = list(store.values())
        for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
            assert predicate["operation"] in (1, "EQUALS")
            wanted = [item for item in wanted if item[predicate["key"]] == predicate["stringValue"]]
        first = int(query.get("page_token") or 0)
        size = min(int(query.get("page_size") or self.page_size), self.page_size)
        answer = {plural: wanted[first : first + size], "total_size": len(wanted)}
        if first + size < len(wanted):
            answer["next_page_token"] = str(first + size)
        return 200, answer

    def _create(self, store: dict, id_name: str, body: dict) -> tuple[int, dict]:
        self._ids += 1
        created = START + timedelta(seconds=self._ids)
        item = body | {id_name: str(uuid.UUID(int=self._ids)), "created_at": _text(created)}
        if id_name == "run_id":
            item["state"] = "PENDING"
            self._polls = 0
        store[item[id_name]] = item
        return 200, item

    def _advance(self, run: dict) -> None:
        state, tasks = self.progress[min(self._polls, len(self.progress) - 1)]
        self._polls += 1
        run["state"] = state
        if state not in ("PENDING", "RUNNING"):
            created = datetime.fromisoformat(run["created_at"].replace("Z", "+00:00"))
            run["finished_at"] = _text(created + timedelta(seconds=600))
        details = [
            {
                "display_name": name,
                "create_time": _text(START),
                "start_time": _text(START),
                "end_time": NEVER,
                "execution_id": "0",
                "child_tasks": [{"pod_name": "wf-123"}],
            }
            | task
            for name, task in tasks.items()
        ]
        run["run_details"] = {"task_details": details}


class _Handler(BaseHTTPRequestHandler):
    state: KfpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # which would wait 40 ms between head and body of each answer

    def _answer(self):
        server = self.state
        parts = urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        server.requests.append((self.command, parts.path, body))
        time.sleep(server.delay_seconds)
        for (method, end), answer in server.answers.items():
            if method == self.command and re.search(end + "$", parts.path):
                return self._send(*answer)
        if server.token and self.headers.get("Authorization") != f"Bearer {server.token}":
            return self._send(401, {"code": 16, "message": "Unauthenticated: no valid token"})
        query = {key: values[0] for key, values in urllib.parse.parse_qs(parts.query).items()}
        return self._send(*server.reply(self.command, parts.path, query, body))

    do_GET = do_POST = do_DELETE = _answer

    def _send(self, status: int, body: dict | str, content_type: str = "application/json") -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        with contextlib.suppress(ConnectionError):  # a client that gave up is what some tests are about
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_):
        pass


def task(state: str, seconds: float | None = None, message: str | None = None) -> dict:
    """Returns what the API tells of a task, with the seconds that it took when it has ended."""
    details = {"state": state}
    if seconds is not None:
        details["end_time"] = _text(START + timedelta(seconds=seconds))
    if message is not None:
        details["error"] = {"code": 2, "message": message}
    return details


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
