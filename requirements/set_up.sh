#!/usr/bin/env bash
# Makes .venv: Python 3.10, the packages of the lock at their exact versions, and this checkout, editable.
#
# A second call does nothing: .venv/made-from says what the environment was made from. It is written last, so
# that neither an interrupted set-up nor one from another lock is taken for complete.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lock=requirements/tfx-1.16.txt
uv=requirements/uv.sh
stamp=.venv/made-from

# The folder counts too: scripts in .venv/bin hold absolute paths, so a moved checkout needs new ones.
made_from=$({ pwd && cat "$lock" setup.py requirements/set_up.sh; } | sha256sum | cut -d' ' -f1)

# Two calls at once, as from two terminals, would tear down each other's work.
mkdir -p .tools
exec 9>.tools/set_up.lock
flock 9

if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$made_from" ]; then
  exit 0
fi

# Prints the path of a Python 3.10 that really runs. A python3.10 on PATH need not: it can be the shim of a
# version manager that has another version selected, and a Python built without some library lacks modules.
# The path is taken from base_prefix because an active .venv has a python3.10 too, about to be removed.
find_python() {
  local candidates candidate
  local probe='import bz2, ctypes, lzma, sqlite3, ssl, sys; print(f"{sys.base_prefix}/bin/python3.10")'
  mapfile -t candidates < <(
    type -aP python3.10
    compgen -G "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/3.10.*/bin/python3.10"
  )
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c "$probe" 2>/dev/null; then
      return
    fi
  done
  "$uv" python install --no-bin 3.10 >&2 && "$uv" python find --quiet --managed-python 3.10
}

if ! python=$(find_python); then
  cat >&2 <<'MESSAGE'

Headstart's default stack (TFX 1.16) needs Python 3.10, and none that runs was found: not on PATH, not among
pyenv's versions, and uv could not download one (its message stands above). Get one of these, then call make again:

  Ubuntu 22.04             sudo apt-get install python3.10
  Ubuntu, other releases   sudo add-apt-repository ppa:deadsnakes/ppa && sudo apt-get install python3.10
  pyenv, anywhere          pyenv install 3.10
  uv, with access to its downloads on GitHub, here or through a proxy (HTTPS_PROXY)
                           requirements/uv.sh python install 3.10
MESSAGE
  exit 1
fi

echo "Setting up .venv with $("$python" --version) and the packages of $lock: about 3 GB, some minutes the first time."
"$uv" venv --quiet --clear --python "$python" .venv
# First, so that the lock finds it in place: from PyPI it comes as source only, and needs a C++ compiler.
"$uv" pip install --quiet --python .venv --no-deps requirements/wheels/*.whl
# A few packages come as source; the lock pins what builds them, too.
"$uv" pip install --python .venv --no-deps --require-hashes --build-constraints "$lock" -r "$lock"
"$uv" pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
echo "$made_from" >"$stamp"
