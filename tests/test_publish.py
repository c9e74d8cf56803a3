"""Where a report is published, and what the page of a run says it was made from."""

import pytest

from components.report import made_from
from components.report.publish import publish
from modules.storage import location

CONFIG = {
    "name": "photos",
    "output": "/runs/photos",
    "push": {"destination": "/runs/photos/serving"},
    "beam": {"runner": "direct"},
    "cluster": {"image": None},
    "data": {"source": "/photos", "format": "auto"},
    "model": {"weights": "imagenet", "backbone_file": None},
    "validation": {"schema": None},
}


def test_the_newest_report_is_at_the_top_and_all_are_kept(tmp_path):
    publish("first", '{"run": 1}', str(tmp_path), "run-1")
    publish("second", '{"run": 2}', str(tmp_path), "run-2")
    texts = {
        file.relative_to(tmp_path).as_posix(): file.read_text()
        for file in tmp_path.rglob("*")
        if file.is_file()
    }
    assert texts == {
        "report.html": "second",
        "summary.json": '{"run": 2}',
        "reports/run-1/report.html": "first",
        "reports/run-1/summary.json": '{"run": 1}',
        "reports/run-2/report.html": "second",
        "reports/run-2/summary.json": '{"run": 2}',
    }


def test_a_report_is_published_to_an_address_as_well(s3_bucket):
    output = f"{s3_bucket}/runs/photos"
    publish("größer", "{}", output, "run-1")
    assert (location(output) / "report.html").read_text(encoding="utf-8") == "größer"
    assert (location(output) / "reports" / "run-1" / "summary.json").read_text() == "{}"


@pytest.mark.parametrize(
    "change",
    [
        {"output": "s3://bucket/photos"},
        {"push": {"destination": "/elsewhere"}},
        {"beam": {"runner": "dataflow"}},
        {"cluster": {"image": "headstart:2"}},
        {"data": {"source": "s3://bucket/photos", "format": "auto"}},
    ],
)
def test_where_and_how_a_run_works_is_no_part_of_what_it_was_made_from(change):
    assert made_from.config_hash(CONFIG | change) == made_from.config_hash(CONFIG)


@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"data": {"source": "/photos", "format": "manifest"}}, {"training": {}}]
)
def test_what_decides_the_result_is_part_of_what_it_was_made_from(change):
    assert made_from.config_hash(CONFIG | change) != made_from.config_hash(CONFIG)


def test_a_laptop_and_the_container_image_agree_about_a_config(monkeypatch):
    monkeypatch.setattr(made_from, "CODE_ROOTS", ("/home/me/headstart", "/headstart"))
    here, there, elsewhere = (
        CONFIG | {"model": {"weights": f"{root}/data/weights/a.h5"}}
        for root in ("/home/me/headstart", "/headstart", "/other")
    )
    assert made_from.file_paths(here) == made_from.file_paths(there) != made_from.file_paths(elsewhere)
    assert len({made_from.config_hash(config) for config in (here, there, elsewhere)}) == 1
    assert made_from.config_hash(here) != made_from.config_hash(CONFIG)


def test_files_are_known_by_their_content_and_one_out_of_sight_by_nothing(tmp_path):
    weights = tmp_path / "a.weights.h5"
    weights.write_bytes(b"abc")
    config = CONFIG | {
        "model": {"weights": str(weights), "backbone_file": None},
        "validation": {"schema": str(tmp_path / "missing.pbtxt")},
    }
    assert made_from.file_hashes(config) == {"model.weights": "ba7816bf8f01cfea", "validation.schema": None}
    assert made_from.file_hashes(CONFIG) == {}
