#!/usr/bin/env bash
# Makes the virtual environment of a stack: a Python, the packages of its lock at their exact versions, and this
# checkout, editable.
#
#   set_up.sh            the default stack: TFX 1.16 on Python 3.10, in .venv
#   set_up.sh current    TFX 1.21 on Python 3.11 to 3.13, in .venv-current; needs glibc 2.39 or later
#
# A second call does nothing: made-from in the environment says what it was made from. It is written last, so that
# neither an interrupted set-up nor one from another lock is taken for complete.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stack=${1:-default}
case $stack in
  default) lock=requirements/tfx-1.16.txt environment=.venv versions=(3.10) ;;
  current) lock=requirements/tfx-1.21.txt environment=.venv-current versions=(3.13 3.12 3.11) ;;
  *)
    echo "STACK is default (TFX 1.16 on Python 3.10) or current (TFX 1.21 on Python 3.11 to 3.13), not '$stack'." >&2
    exit 1
    ;;
esac
uv=requirements/uv.sh
stamp=$environment/made-from

# The folder counts too: scripts in the environment hold absolute paths, so a moved checkout needs new ones.
made_from=$({ pwd && cat "$lock" setup.py requirements/set_up.sh; } | sha256sum | cut -d' ' -f1)

# Two calls at once, as from two terminals, would tear down each other's work.
mkdir -p .tools
exec 9>.tools/set_up.lock
flock 9

if [ -x "$environment/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$made_from" ]; then
  exit 0
fi

if [ "$stack" = current ]; then
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)
  if [ -z "$glibc" ] || [ "$(printf '%s\n' 2.39 "$glibc" | sort -V | head -1)" != 2.39 ]; then
    cat >&2 <<MESSAGE
The current stack (TFX 1.21) needs glibc 2.39 or later, and this machine has ${glibc:-another C library}: ml-metadata,
tfx-bsl and tensorflow-data-validation have no wheels for older ones. Use the default stack (leave STACK out), a machine
with Debian 13 or Ubuntu 24.04, or the container image: see kubernetes/README.md.
MESSAGE
    exit 1
  fi
fi

# Prints the path of a Python of the given version that really runs. A python3.10 on PATH need not: it can be the shim
# of a version manager that has another version selected, and a Python built without some library lacks modules.
# The path is taken from base_prefix because an active environment has a python3.10 too, about to be removed.
find_python() {
  local version=$1 candidates candidate
  local probe="import bz2, ctypes, lzma, sqlite3, ssl, sys; print(f'{sys.base_prefix}/bin/python$version')"
  mapfile -t candidates < <(
    type -aP "python$version"
    compgen -G "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$version.*/bin/python$version"
  )
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c "$probe" 2>/dev/null; then
      return
    fi
  done
  return 1
}

python=
for version in "${versions[@]}"; do
  python=$(find_python "$version") && break
done
if [ -z "$python" ]; then
  "$uv" python install --no-bin "${versions[0]}" >&2 && python=$("$uv" python find --quiet --managed-python "${versions[0]}")
fi

if [ -z "$python" ]; then
  newest=${versions[0]}
  cat >&2 <<MESSAGE

Headstart's $stack stack needs Python ${versions[*]/%/,} and none that runs was found: not on PATH, not among
pyenv's versions, and uv could not download one (its message stands above). Get one of these, then call make again:

  Debian, Ubuntu           sudo apt-get install python$newest, where the release has it (Ubuntu 22.04: 3.10, Debian 13: 3.13)
  Ubuntu, other releases   sudo add-apt-repository ppa:deadsnakes/ppa && sudo apt-get install python$newest
  pyenv, anywhere          pyenv install $newest
  uv, with access to its downloads on GitHub, here or through a proxy (HTTPS_PROXY)
                           requirements/uv.sh python install $newest
MESSAGE
  exit 1
fi

if [ "$stack" = current ]; then
  # pyfarmhash comes as source only. The default stack has a wheel of it in requirements/wheels.
  if ! command -v c++ >/dev/null || [ ! -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]; then
    echo "The current stack builds pyfarmhash from source, which needs a C++ compiler and Python's headers. On Debian and" \
      "Ubuntu: sudo apt-get install g++ python3-dev" >&2
    exit 1
  fi
fi

echo "Setting up $environment with $("$python" --version) and the packages of $lock: about 3 GB, some minutes the first time."
"$uv" venv --quiet --clear --python "$python" "$environment"
if [ "$stack" = default ]; then
  # First, so that the lock finds it in place: from PyPI it comes as source only, and needs a C++ compiler.
  "$uv" pip install --quiet --python "$environment" --no-deps requirements/wheels/*.whl
fi
# A few packages come as source; the lock pins what builds them, too.
"$uv" pip install --python "$environment" --no-deps --require-hashes --build-constraints "$lock" -r "$lock"
"$uv" pip install --quiet --python "$environment" --no-deps --no-build-isolation --editable .
echo "$made_from" >"$stamp"
