"""kubernetes/base/nginx.conf, with a real nginx: the reports are shown, and nothing else of the volume."""

import http.client
import os
import shutil
import socket
import subprocess
import time

import pytest

from tests.manifests import ROOT

FILES = {
    "clothes/report.html": "<h1>newest</h1>",
    "clothes/summary.json": "{}",
    "clothes/reports/run-1/report.html": "<h1>first</h1>",
    "clothes/reports/run-1/summary.json": '{"run": 1}',
    "clothes/reports/run-1/.report.html": "half written",
    "clothes/reports/run-1/notes.txt": "secret",
    "clothes/serving/1/saved_model.pb": "model",
    "clothes/serving/report.html": "not a report of ours",
    "clothes/metadata.sqlite": "database",
    "report.html": "outside of a config",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Starts nginx with our file over a volume of the tests; returns a function that asks for a path."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("no nginx on this machine. On Debian and Ubuntu: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("site")
    for name, text in FILES.items():
        (folder / "runs" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "runs" / name).write_text(text)
    (folder / "outside.html").write_text("of another volume")
    (folder / "runs" / "clothes" / "reports" / "run-2").mkdir()
    (folder / "runs" / "clothes" / "reports" / "run-2" / "report.html").symlink_to(folder / "outside.html")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = (ROOT / "kubernetes" / "base" / "nginx.conf").read_text()
    here = {"/tmp/": f"{folder}/", " /runs;": f" {folder}/runs;", "listen 8080": f"listen 127.0.0.1:{port}"}
    for theirs, ours in here.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    (folder / "nginx.conf").write_text(text)
    command = [
        nginx,
        "-e",
        "stderr",
        "-c",
        str(folder / "nginx.conf"),
        "-g",
        "daemon off;" + (" user root;" if os.geteuid() == 0 else ""),
    ]
    log = (folder / "log").open("w")
    server = subprocess.Popen(command, stdout=log, stderr=log)

    def ask(path: str, method: str = "GET"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    for _ in range(100):
        try:
            assert ask("/healthz")[2] == "ok\n"
            break
        except ConnectionRefusedError:
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
    yield ask
    server.terminate()
    server.wait(timeout=10)
    log.close()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/clothes/report.html", "<h1>newest</h1>"),
        ("/clothes/summary.json", "{}"),
        ("/clothes/reports/run-1/report.html", "<h1>first</h1>"),
        ("/clothes/reports/run-1/summary.json", '{"run": 1}'),
    ],
)
def test_reports_are_shown_and_may_load_nothing(site, path, text):
    status, headers, body = site(path)
    assert (status, body) == (200, text)
    assert headers["Content-Security-Policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"].startswith("text/html" if path.endswith("html") else "application/json")


@pytest.mark.parametrize(
    "path",
    [
        "/clothes/serving/1/saved_model.pb",
        "/clothes/serving/report.html",
        "/clothes/serving/",
        "/clothes/metadata.sqlite",
        "/clothes/reports/run-1/notes.txt",
        "/clothes/reports/run-1/.report.html",
        "/clothes/../report.html",
        "/clothes/%2e%2e/report.html",
        "/../outside.html",
        "/report.html",
    ],
)
def test_nothing_else_of_the_volume_is_shown(site, path):
    status, _, body = site(path)
    assert status in (400, 404)
    assert not any(text in body for text in FILES.values())


def test_a_link_to_another_place_is_not_followed(site):
    status, _, body = site("/clothes/reports/run-2/report.html")
    assert status == 403
    assert "another volume" not in body


def test_the_ways_to_the_reports(site):
    assert 'href="clothes/"' in site("/")[2]
    status, headers, _ = site("/clothes/")
    assert (status, headers["Location"]) == (302, "/clothes/report.html")
    assert 'href="run-1/"' in site("/clothes/reports/")[2]
    listing = site("/clothes/reports/run-1/")[2]
    assert 'href="report.html"' in listing
    assert ".report.html" not in listing.replace('"report.html"', "")


def test_nobody_can_write(site):
    for method in ("PUT", "DELETE", "POST"):
        assert site("/clothes/report.html", method)[0] in (403, 405)
