"""Quiet native libraries, before any test imports TensorFlow; object stores for those that ask for one."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest

from tests import gcs, s3


@pytest.fixture(scope="session")
def s3_endpoint():
    """Address of an S3 server that runs until the last test ends. The environment does not name it."""
    with s3.s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def s3_bucket(s3_endpoint):
    """Address of an empty bucket, such as s3://bucket-7, with the environment set to reach it."""
    with s3.environment(s3_endpoint):
        yield s3.new_bucket()


@pytest.fixture
def gcs_bucket():
    """Address of an empty bucket in something like Google's store, with the environment set to reach it."""
    with gcs.gcs_bucket() as address:
        yield address
