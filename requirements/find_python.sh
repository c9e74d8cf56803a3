# To be sourced. Defines find_python.

# Prints the path of a Python of the given version that really runs: on PATH, among pyenv's versions, or among those
# that uv downloaded. A python3.10 on PATH need not run: it can be the shim of a version manager that has another version
# selected, and a Python built without some library lacks modules.
# The path is taken from base_prefix because an active environment has a python3.10 too, about to be removed.
find_python() {
  local version=$1 candidates candidate
  local probe="import bz2, ctypes, lzma, sqlite3, ssl, sys; print(f'{sys.base_prefix}/bin/python$version')"
  mapfile -t candidates < <(
    type -aP "python$version"
    compgen -G "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$version.*/bin/python$version"
    compgen -G "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-}/.local/share}/uv/python}/cpython-$version.*/bin/python$version"
  )
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c "$probe" 2>/dev/null; then
      return
    fi
  done
  return 1
}
