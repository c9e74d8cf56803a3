# To be sourced. Which stacks there are, and which of them this machine can carry.

glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2) || glibc=

# Sets what the rest reads of a stack.
use_stack() {
  stack=$1 environment=.venvs/$1
  case $stack in
    default) release=1.16 versions=(3.10) pythons=3.10 needs_glibc=2.17 ;;
    # ml-metadata, tfx-bsl and tensorflow-data-validation have no wheels for an older C library.
    current) release=1.21 versions=(3.13 3.12 3.11) pythons="3.11 to 3.13" needs_glibc=2.39 ;;
  esac
  lock=requirements/tfx-$release.txt cuda_lock=requirements/cuda-$release.txt
}

has_glibc() {
  [ -n "$glibc" ] && [ "$(printf '%s\n' "$needs_glibc" "$glibc" | sort -V | head -1)" = "$needs_glibc" ]
}

# Prints the path of a Python of the given version that really runs: on PATH, among pyenv's versions or among uv's. A
# python3.10 on PATH need not run: it can be the shim of a version manager that has another version selected, and a
# Python built without some library lacks modules.
# The path is taken from base_prefix because an active environment has a python3.10 too, about to be removed.
find_python() {
  local version=$1 candidates candidate
  local probe="import bz2, ctypes, lzma, sqlite3, ssl, sys; print(f'{sys.base_prefix}/bin/python$version')"
  local uvs=${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-}/.local/share}/uv/python}
  mapfile -t candidates < <(
    type -aP "python$version"
    compgen -G "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$version.*/bin/python$version"
    compgen -G "$uvs/cpython-$version.*/bin/python$version"
  )
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c "$probe" 2>/dev/null; then
      return
    fi
  done
  return 1
}

# Prints the path of the newest Python that is here for the stack.
find_python_of_stack() {
  local version
  for version in "${versions[@]}"; do
    if find_python "$version"; then
      return
    fi
  done
  return 1
}

# Prints what the machine lacks for a stack. In a subshell: the stack in use stays.
lacks() (
  use_stack "$1"
  lacking=()
  has_glibc || lacking+=("glibc $needs_glibc or later (this machine has ${glibc:-another C library})")
  find_python_of_stack >/dev/null || lacking+=("a Python $pythons that runs")
  case ${#lacking[@]} in
    0) echo "nothing: call make with STACK=$1" ;;
    1) echo "${lacking[0]}" ;;
    2) echo "${lacking[0]}, and ${lacking[1]}" ;;
  esac
)
