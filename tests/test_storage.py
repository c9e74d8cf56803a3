"""Paths and addresses are read and written the same way; what is wrong with an address is said at once."""

import json
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from modules import storage
from tests import s3


def write_tree(folder: Path) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


def test_a_local_path_is_a_plain_path_and_an_address_has_the_same_methods(tmp_path, s3_bucket):
    assert storage.location(str(tmp_path)) == tmp_path
    assert type(storage.location(tmp_path)) is type(tmp_path)
    for root in (storage.location(tmp_path), storage.location(s3_bucket)):
        (root / "a b").mkdir(exist_ok=True)
        (root / "a b" / "c.txt").write_text("ä", encoding="utf-8")
        assert (root / "a b" / "c.txt").read_bytes() == "ä".encode()
        assert [child.name for child in root.iterdir()] == ["a b"]
        assert (root / "a b").is_dir()
    assert str(storage.location(f"{s3_bucket}/a b/c.txt")) == f"{s3_bucket}/a b/c.txt"


def test_what_another_process_writes_is_seen(s3_bucket):
    folder = storage.location(f"{s3_bucket}/folder")
    (folder / "one").write_bytes(b"1")
    assert list(storage.files_below(folder)) == ["one"]
    code = (
        "import sys; from modules.storage import location; location(sys.argv[1]).write_bytes(b'22');"
        "location(sys.argv[2]).unlink()"
    )
    subprocess.run([sys.executable, "-c", code, f"{folder}/two", f"{folder}/one"], check=True)
    assert list(storage.files_below(folder)) == ["two"]
    assert [child.name for child in folder.iterdir()] == ["two"]
    assert (folder / "two").stat().st_size == 2
    assert not (folder / "one").exists()


def test_a_tree_goes_up_and_comes_back_unchanged(tmp_path, s3_bucket):
    tree = write_tree(tmp_path / "model")
    address = f"{s3_bucket}/models/7/"
    storage.upload_tree(tree, address)
    (storage.location(s3_bucket) / "models" / "70").write_bytes(b"a neighbour with the same beginning")
    assert list(storage.files_below(address)) == ["saved_model.pb", "variables/variables.index"]

    for folder in (None, tmp_path / "here"):
        copy = Path(storage.local_copy(address, folder))
        assert {name: file.read_bytes() for name, file in storage.files_below(copy).items()} == {
            "saved_model.pb": b"graph",
            "variables/variables.index": b"index",
        }
    assert copy == tmp_path / "here"


def test_a_single_file_is_copied_under_its_name_and_a_local_path_not_at_all(tmp_path, s3_bucket):
    (storage.location(s3_bucket) / "w" / "net.weights.h5").write_bytes(b"weights")
    copy = Path(storage.local_copy(f"{s3_bucket}/w/net.weights.h5"))
    assert (copy.name, copy.read_bytes()) == ("net.weights.h5", b"weights")
    assert storage.local_copy(tmp_path / "local.h5", tmp_path / "elsewhere") == str(tmp_path / "local.h5")
    assert not (tmp_path / "elsewhere").exists()


def test_temporary_copies_go_when_the_process_ends(s3_bucket):
    (storage.location(s3_bucket) / "file").write_bytes(b"content")
    code = "import sys; from modules.storage import local_copy; print(local_copy(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, f"{s3_bucket}/file"], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip().endswith("/file")
    assert not Path(done.stdout.strip()).parent.exists()


def test_what_does_not_exist_is_a_missing_file_and_an_empty_folder(s3_bucket):
    assert storage.files_below(f"{s3_bucket}/nothing") == {}
    with pytest.raises(FileNotFoundError, match=f"{s3_bucket}/nothing: there is nothing at this address"):
        storage.local_copy(f"{s3_bucket}/nothing")
    with pytest.raises(FileNotFoundError), storage.explained(s3_bucket):
        storage.location(f"{s3_bucket}/nothing").read_bytes()


def test_folder_markers_of_a_console_are_no_files(s3_bucket):
    root = storage.location(s3_bucket)
    for key in ("folder/", "folder/inner/"):
        root.fs.call_s3("put_object", Bucket=root.path.strip("/"), Key=key, Body=b"")
    (root / "folder" / "inner" / "file").write_bytes(b"1")
    assert list(storage.files_below(f"{s3_bucket}/folder")) == ["inner/file"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://host/x", r"http://host/x: unknown kind of address http://\. Use s3:// or gs://, or a local"),
        ("memory://x", r"unknown kind of address memory://"),
        ("s3://", r"s3://: no bucket in the address\. Write s3://BUCKET/FOLDER"),
        ("gs:///", r"gs:///: no bucket"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(address, message):
    with pytest.raises(storage.StorageError, match=message):
        storage.location(address)
    with pytest.raises(ValueError, match=message):
        storage.check_access(address)


def test_a_missing_bucket_is_named(s3_bucket):
    address = "s3://no-such-bucket/models"
    message = f"{address}: there is no bucket 'no-such-bucket'. Create it"
    for operation in (storage.check_access, storage.files_below, storage.local_copy):
        with pytest.raises(storage.StorageError, match=message):
            operation(address)
    with pytest.raises(storage.StorageError, match=message), storage.explained(address):
        storage.location(address).write_bytes(b"1")
    storage.check_access(f"{s3_bucket}/nothing/here/yet")


def test_missing_credentials_name_the_variables_to_set(s3_endpoint):
    with s3.environment(s3_endpoint, AWS_DEFAULT_REGION="us-east-1", HOME="/nonexistent"):
        message = r"s3://bucket-1: no usable credentials .*Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        with pytest.raises(storage.StorageError, match=message):
            storage.check_access("s3://bucket-1")


def test_a_store_that_does_not_answer_is_given_up_soon(s3_endpoint):
    with s3.environment("http://127.0.0.1:9"):
        message = r"s3://bucket-1: the store does not answer .*127\.0\.0\.1:9.*Set AWS_ENDPOINT_URL"
        with pytest.raises(storage.StorageError, match=message):
            storage.check_access("s3://bucket-1")
    with s3.environment("nonsense"), pytest.raises(storage.StorageError, match="Invalid endpoint: nonsense"):
        storage.check_access("s3://bucket-1")


def test_local_errors_are_left_alone(tmp_path):
    with pytest.raises(PermissionError, match=r"^mine$"), storage.explained(tmp_path):
        raise PermissionError("mine")


def test_errors_of_the_program_are_not_blamed_on_the_store(s3_bucket):
    with pytest.raises(KeyError), storage.explained(s3_bucket):
        raise KeyError("a mistake in the code")


def test_a_gs_address_uses_google_s_store_and_never_anonymously(monkeypatch):
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    path = storage.location("gs://bucket/a/b")
    assert (str(path), path.path, path.name) == ("gs://bucket/a/b", "bucket/a/b", "b")
    assert type(path).__name__ == "GCSPath"
    assert path.storage_options == {"use_listings_cache": False, "token": "google_default"}
    assert fsspec.get_filesystem_class(path.protocol).__name__ == "GCSFileSystem"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    assert storage.location("gs://bucket/a/b").fs.credentials.method == "anon"


def test_gs_without_credentials_names_the_variable_to_set(monkeypatch):
    google = pytest.importorskip("google.auth.exceptions")

    def no_credentials(*_args, **_kwargs):
        raise google.DefaultCredentialsError("Your default credentials were not found.")

    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setattr("google.auth.default", no_credentials)
    message = r"gs://bucket/x: no usable credentials .*Set GOOGLE_APPLICATION_CREDENTIALS"
    with pytest.raises(storage.StorageError, match=message):
        storage.check_access("gs://bucket/x")


def test_google_s_store_that_does_not_answer_is_named_without_a_traceback(monkeypatch, tmp_path, caplog):
    key = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    (tmp_path / "key.json").write_text(json.dumps(key))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    # The key's token is asked for through a proxy, which refuses the connection.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    pytest.importorskip("gcsfs").GCSFileSystem.clear_instance_cache()
    with pytest.raises(
        storage.StorageError, match=r"gs://bucket/x: the store does not answer .*Check the net"
    ):
        storage.check_access("gs://bucket/x")
    assert "Traceback" not in caplog.text


def test_a_missing_bucket_in_google_s_store_is_told_from_an_empty_one(gcs_bucket):
    storage.check_access(f"{gcs_bucket}/models/a")
    assert storage.files_below(f"{gcs_bucket}/models") == {}
    with pytest.raises(storage.StorageError, match="gs://other/x: there is no bucket 'other'"):
        storage.check_access("gs://other/x")


def test_a_tree_goes_to_google_s_store_and_comes_back(tmp_path, gcs_bucket):
    storage.upload_tree(write_tree(tmp_path / "model"), f"{gcs_bucket}/models/7")
    (storage.location(gcs_bucket) / "models" / "70").write_bytes(b"a neighbour")
    assert list(storage.files_below(f"{gcs_bucket}/models/7")) == [
        "saved_model.pb",
        "variables/variables.index",
    ]
    copy = Path(storage.local_copy(f"{gcs_bucket}/models/7"))
    assert (copy / "variables" / "variables.index").read_bytes() == b"index"
    assert Path(storage.local_copy(f"{gcs_bucket}/models/70")).read_bytes() == b"a neighbour"


def test_importing_the_module_imports_no_store_library():
    code = (
        "import sys; from modules.storage import location; location('/x');"
        "print({'fsspec', 'upath', 's3fs'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
