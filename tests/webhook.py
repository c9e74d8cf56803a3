"""A receiver of notifications on the loopback interface, well-behaved or not."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Webhook:
    """Receives what is posted; use it as a context manager.

    Attributes:
      received: the JSON that was posted, in order; also that of requests which are answered badly.
      behaviour: what the next requests meet: a status, or one of the methods of `_Handler`.
    """

    def __init__(self):
        self.received: list[dict] = []
        self.paths: list[str] = []
        self.behaviour: int | str = 200
        self.ended = threading.Event()
        webhook = self

        class Handler(_Handler):
            state = webhook

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._http.server_port}"
        self.address = f"{self.origin}/services/very-secret?key=hidden"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: Webhook

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.state.received.append(json.loads(content))
        self.state.paths.append(self.path)
        behaviour = self.state.behaviour
        if isinstance(behaviour, int):
            self.send_response(behaviour)
            if 300 <= behaviour < 400:
                self.send_header("Location", f"{self.state.origin}/elsewhere")
            self.end_headers()
        else:
            getattr(self, behaviour)()

    do_GET = do_POST

    def hang(self):
        self.state.ended.wait(30)

    def drip(self):
        """Sends a header that never ends, so that no single read takes long."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.state.ended.wait(0.05):
            try:
                self.wfile.write(b"x")
            except OSError:
                return

    def close(self):
        self.close_connection = True
        self.connection.close()

    def babble(self):
        self.wfile.write(b"this is not HTTP\r\n\r\n")

    def log_message(self, *_):
        """Says nothing."""
