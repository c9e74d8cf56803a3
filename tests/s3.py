"""An S3 server on the loopback interface (moto), for tests of what lies in object stores."""

import contextlib
import itertools
import logging
import os
from collections.abc import Iterator

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_numbers = itertools.count(1)


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Starts a server in a thread; yields its endpoint, such as http://127.0.0.1:43210."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # one line a request otherwise
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextlib.contextmanager
def environment(endpoint: str | None, **variables: str) -> Iterator[None]:
    """Sets what the S3 libraries read, and forgets the connections that were made under other settings.

    Args:
      endpoint: of the server; None leaves none.
      **variables: environment variables in place of CREDENTIALS.
    """
    import s3fs

    kept = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables or CREDENTIALS)
    # Without it botocore asks the metadata server of Amazon's machines for credentials.
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    if endpoint:
        os.environ["AWS_ENDPOINT_URL"] = endpoint
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
        s3fs.S3FileSystem.clear_instance_cache()


def new_bucket() -> str:
    """Makes an empty bucket; returns its address, such as s3://bucket-7."""
    from modules.storage import location

    address = f"s3://bucket-{next(_numbers)}"
    path = location(address)
    path.fs.mkdir(path.path)
    return address
