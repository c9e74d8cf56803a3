"""What this project uses of Google's object store, on the loopback interface: one bucket in memory.

Written from https://cloud.google.com/storage/docs/json_api. It answers gcsfs, so that code for gs:// is
run; it does not show that the real store answers the same.
"""

import contextlib
import http.server
import json
import os
import re
import threading
import urllib.parse
from collections.abc import Iterator

BUCKET = "bucket"


@contextlib.contextmanager
def gcs_bucket() -> Iterator[str]:
    """Starts a server with an empty bucket; yields its address, with the environment set to reach it."""
    import gcsfs

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.objects, server.lock = {}, threading.Lock()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        before = os.environ.get("STORAGE_EMULATOR_HOST")
        os.environ["STORAGE_EMULATOR_HOST"] = f"http://127.0.0.1:{server.server_port}"
        gcsfs.GCSFileSystem.clear_instance_cache()
        try:
            yield f"gs://{BUCKET}"
        finally:
            gcsfs.GCSFileSystem.clear_instance_cache()
            del os.environ["STORAGE_EMULATOR_HOST"]
            if before is not None:
                os.environ["STORAGE_EMULATOR_HOST"] = before
            server.shutdown()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        bucket, key, query = self._asked()
        if bucket != BUCKET:
            return self._answer(404, {"error": {"code": 404, "message": "The bucket does not exist."}})
        if key is None:
            return self._answer(200, self._listing(query.get("prefix", ""), query.get("delimiter")))
        if key not in self.server.objects:
            return self._answer(404, {"error": {"code": 404, "message": "No such object."}})
        if query.get("alt") != "media":
            return self._answer(200, self._describe(key))
        content = self.server.objects[key]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            return self._answer(200, content)
        end = int(wanted[2]) + 1 if wanted[2] else len(content)
        return self._answer(206, content[int(wanted[1]) : end])

    def do_POST(self):
        _, _, query = self._asked()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if query.get("uploadType") == "resumable":  # first where the content is to go, then the content
            place = f"http://{self.headers['Host']}/upload/storage/v1/b/{BUCKET}/o?" + urllib.parse.urlencode(
                query | {"uploadType": "rest"}
            )
            return self._answer(200, {}, {"Location": place})
        if query["uploadType"] == "rest":
            key, content = query["name"], b"\n\n" + body
        else:
            _, described, content, _ = body.split(b"--==0==")  # gcsfs' boundary
            content = content.removesuffix(b"\n")
            key = json.loads(described.partition(b"\n\n")[2])["name"]
        with self.server.lock:
            if query.get("ifGenerationMatch") == "0" and key in self.server.objects:
                return self._answer(412, {"error": {"code": 412, "message": "conditionNotMet"}})
            self.server.objects[key] = content.partition(b"\n\n")[2]
        return self._answer(200, self._describe(key))

    def do_DELETE(self):
        _, key, _ = self._asked()
        found = self.server.objects.pop(key, None) is not None
        return self._answer(204 if found else 404, b"")

    def _asked(self) -> tuple[str, str | None, dict]:
        """Returns bucket, object (None for all of them) and query of the request."""
        address = urllib.parse.urlsplit(self.path)
        names = re.fullmatch(r"(?:/download|/upload)?/storage/v1/b/([^/]+)/o(?:/(.+))?", address.path)
        key = names[2] and urllib.parse.unquote(names[2])
        return names[1], key, dict(urllib.parse.parse_qsl(address.query))

    def _listing(self, prefix: str, delimiter: str | None) -> dict:
        items, prefixes = [], set()
        for key in sorted(self.server.objects):
            rest = key.removeprefix(prefix)
            if not key.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                prefixes.add(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                items.append(self._describe(key))
        return {"items": items, "prefixes": sorted(prefixes)}

    def _describe(self, key: str) -> dict:
        moment = "2026-01-01T00:00:00.000Z"
        size = str(len(self.server.objects[key]))
        return {"name": key, "bucket": BUCKET, "size": size, "updated": moment, "timeCreated": moment}

    def _answer(self, status: int, content: dict | bytes, headers: dict | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if body is not content else "application/binary")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass
