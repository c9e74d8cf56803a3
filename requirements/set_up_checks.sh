#!/usr/bin/env bash
# Makes .tools/checks: what checks the Kubernetes manifests and the compiled pipelines (see checks.in), kubectl included.
#
#   requirements/set_up_checks.sh [PYTHON]      PYTHON: 3.10 or later; by default that of .venv
#
# A second call does nothing: .tools/checks/made-from says what the environment was made from, and is written last.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. requirements/wait_for_turn.sh

lock=requirements/checks.txt
uv=requirements/uv.sh
environment=.tools/checks
stamp=$environment/made-from
python=${1:-.venv/bin/python}

if [ ! -x "$python" ]; then
  echo "No Python at $python. Call 'make setup' first, or name one: requirements/set_up_checks.sh PYTHON" >&2
  exit 2
fi
# Any of the Pythons will do, so that both stacks share the environment.
made_from=$({ pwd -P && cat "$lock" requirements/set_up_checks.sh; } | sha256sum | cut -d' ' -f1)
is_complete() {
  [ -x "$environment/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$made_from" ]
}

if is_complete; then
  exit 0
fi
wait_for_turn
if is_complete; then
  exit 0
fi

# The interpreter that the environment rests on outlives .venv, which is made anew when its lock changes.
python=$("$python" -c 'import sys; print(f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}")')
echo "Setting up $environment with $("$python" --version) and the packages of $lock: 0.4 GB."
"$uv" venv --quiet --clear --python "$python" "$environment"
"$uv" pip install --quiet --python "$environment" --no-deps --require-hashes -r "$lock"
echo "$made_from" >"$stamp"
