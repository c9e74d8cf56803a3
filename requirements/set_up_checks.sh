#!/usr/bin/env bash
# Makes .tools/checks: what checks the Kubernetes manifests and the compiled pipelines (see checks.in), kubectl included.
#
#   requirements/set_up_checks.sh [PYTHON]      PYTHON: 3.10 or later; by default that of .venv
#
# A second call does nothing: .tools/checks/made-from says what the environment was made from, and is written last.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lock=requirements/checks.txt
uv=requirements/uv.sh
environment=.tools/checks
stamp=$environment/made-from
python=${1:-.venv/bin/python}

if [ ! -x "$python" ]; then
  echo "No Python at $python. Call 'make setup' first, or name one: requirements/set_up_checks.sh PYTHON" >&2
  exit 2
fi
# The interpreter that the environment rests on outlives .venv, which is made anew when its lock changes.
python=$("$python" -c 'import sys; print(f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}")')
made_from=$({ pwd && echo "$python" && cat "$lock" requirements/set_up_checks.sh; } | sha256sum | cut -d' ' -f1)

# Two calls at once, as from two terminals, would tear down each other's work.
mkdir -p .tools
exec 9>.tools/set_up_checks.lock
flock 9

if [ -x "$environment/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$made_from" ]; then
  exit 0
fi

echo "Setting up $environment with $("$python" --version) and the packages of $lock: 0.4 GB."
"$uv" venv --quiet --clear --python "$python" "$environment"
"$uv" pip install --quiet --python "$environment" --no-deps --require-hashes -r "$lock"
echo "$made_from" >"$stamp"
