#!/usr/bin/env bash
# Makes /opt/venv: the Python that python.sh chose, the packages of the stack's lock without those for development,
# and CUDA's for a GPU or TensorFlow's other build for a TPU. Runs in /headstart, where requirements/ lies. Python 3.10 may land in /opt/python.
set -euo pipefail
. /opt/headstart/stack

uv=requirements/uv.sh
case $stack in default) release=1.16 ;; current) release=1.21 ;; esac
lock=requirements/tfx-$release.txt
if [ "$accelerator" = tpu ] && [ -z "${TPU_FIND_LINKS:-}" ]; then
  echo "ACCELERATOR=tpu needs libtpu, which Google publishes beside PyPI: --build-arg TPU_FIND_LINKS=ADDRESS of the" \
    "page with its releases, see kubernetes/README.md." >&2
  exit 1
fi

# What pip and uv may be told of another index or a proxy goes for both.
[ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX=$PIP_INDEX_URL
# Packages are written once and never shared: a cache would only fill the stage.
export UV_NO_CACHE=1 UV_LINK_MODE=copy PIP_NO_CACHE_DIR=1
# uv itself comes by pip, which has certificates of its own in some versions.
export PIP_CERT=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-upgrade python3-venv
fi

mkdir -p /opt/python
if [ -z "$python" ]; then
  if ! "$uv" python install --no-bin --install-dir /opt/python 3.10; then
    cat >&2 <<'MESSAGE'

STACK=default needs Python 3.10, which neither BASE nor Debian has, and uv could not download one (see above). Give
  a base with it                        --build-arg BASE=python:3.10-slim-bookworm
  a mirror of uv's downloads            --build-arg UV_PYTHON_INSTALL_MIRROR=ADDRESS
  or a proxy that lets it reach GitHub  --build-arg HTTPS_PROXY=ADDRESS

MESSAGE
    exit 1
  fi
  python=$(echo /opt/python/cpython-3.10.*/bin/python3.10)
fi

"$uv" venv --quiet --python "$python" /opt/venv
# First, so that the lock finds it in place: from PyPI it comes as source only, and needs a C++ compiler.
"$uv" pip install --python /opt/venv --no-deps --no-index --find-links requirements/wheels pyfarmhash
locks=(-r /tmp/lock.txt)
case $accelerator in
  cpu) python3 kubernetes/image/runtime_lock.py "$lock" >/tmp/lock.txt ;;
  gpu)
    python3 kubernetes/image/runtime_lock.py "$lock" >/tmp/lock.txt
    locks+=(-r "requirements/cuda-$release.txt")
    ;;
  tpu)
    python3 kubernetes/image/runtime_lock.py "$lock" --without tensorflow >/tmp/lock.txt
    locks+=(-r "requirements/tpu-$release.txt")
    ;;
esac
# A few packages come as source; the lock pins what builds them, too.
"$uv" pip install --python /opt/venv --no-deps --require-hashes --build-constraints "$lock" "${locks[@]}"
if [ "$accelerator" = tpu ]; then
  libtpu=$(/opt/venv/bin/python -c '
import importlib.metadata as metadata
print(next(line.split(";")[0] for line in metadata.requires("tensorflow-tpu") if line.startswith("libtpu")))')
  "$uv" pip install --python /opt/venv --no-deps --no-index --find-links "$TPU_FIND_LINKS" "$libtpu"
fi
[ "$accelerator" != gpu ] || requirements/link_cuda.sh /opt/venv
# 430 MB of headers, for compiling operations of one's own.
rm -rf /opt/venv/lib/python3.*/site-packages/tensorflow/include
# The disk is read-only later. Hashes, not times, so that copying cannot make them stale. Some packages hold files
# that are no Python of this version, as templates of code do: they fail to compile, and nobody imports them.
/opt/venv/bin/python -W ignore -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib /opt/python >/dev/null || true
