#!/usr/bin/env bash
# Runs uv at the version that uv.txt pins; any python3 with pip and venv installs it into .tools/uv first.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.tools/uv
pinned=$root/requirements/uv.txt

if [ "uv==$("$tools/bin/uv" --version 2>/dev/null | cut -d' ' -f2)" != "$(grep -o '^uv==[^ ]*' "$pinned")" ]; then
  python3 -m venv --clear "$tools" || {
    echo "Setting up needs a python3 with venv and pip. On Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
  }
  PIP_DISABLE_PIP_VERSION_CHECK=1 "$tools/bin/python" -m pip install --quiet --require-hashes -r "$pinned"
fi
# Trusts the certificates that git and apt trust here, which may include a company's own.
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
  export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1}
fi
exec "$tools/bin/uv" "$@"
