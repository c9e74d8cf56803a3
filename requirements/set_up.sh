#!/usr/bin/env bash
# Makes the virtual environment of a stack, .venvs/STACK: a Python, the packages of the stack's lock at their exact
# versions, and this checkout, editable. The link .venv leads to it.
#
#   set_up.sh            the stack that is set up already; else the default one where its Python is; else the current
#                        one where the machine can carry it; else the default one, with a Python that uv downloads
#   set_up.sh default    TFX 1.16 on Python 3.10
#   set_up.sh current    TFX 1.21 on Python 3.11 to 3.13; needs glibc 2.39 or later
#
# A stack that is named is for this call: a link stays where it leads, and is made where there is none.
# ACCELERATOR=gpu brings CUDA's libraries and ACCELERATOR=cpu leaves them out; without it NVIDIA's driver decides.
#
# A second call does nothing: made-from in the environment says what it was made from. It is written last, so that
# neither an interrupted set-up nor one from another lock is taken for complete.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. requirements/stacks.sh
. requirements/wait_for_turn.sh
. requirements/ways_out.sh
uv=requirements/uv.sh

named=${1:-}
case $named in '' | default | current) ;; *)
  echo "STACK is default (TFX 1.16 on Python 3.10) or current (TFX 1.21 on Python 3.11 to 3.13), not '$named'." \
    "Leave it out to take what this machine can carry." >&2
  exit 1
  ;;
esac
case ${ACCELERATOR:=} in '' | cpu | gpu) ;; *)
  echo "ACCELERATOR is cpu or gpu, not '$ACCELERATOR'. Leave it out to take gpu where NVIDIA's driver is. For a TPU" \
    "there is the container image: see kubernetes/README.md." >&2
  exit 1
  ;;
esac

# Sets the stacks to try, in this order.
choose_order() {
  order=(default current)
  if [ -n "$named" ]; then
    order=("$named")
    return
  fi
  for stack in "$(basename "$(readlink .venv)")" "${order[@]}"; do
    if [ -n "$stack" ] && [ -d ".venvs/$stack" ]; then
      order=("$stack" "${order[@]}")
      return
    fi
  done
}

has_gpu() {
  command -v nvidia-smi >/dev/null && [[ $(timeout 10 nvidia-smi -L 2>/dev/null) == "GPU "* ]]
}

# Prints what an environment with or without CUDA (gpu, cpu) is made from. The folder counts too: scripts in the
# environment hold absolute paths, so a moved checkout needs new ones.
made_from() {
  local files=("$lock" setup.py requirements/set_up.sh)
  [ "$1" = cpu ] || files+=("$cuda_lock" requirements/link_cuda.sh)
  echo "$1 $({ pwd -P && cat "${files[@]}"; } | sha256sum | cut -d' ' -f1)"
}

# Without a driver CUDA's libraries do no harm: machines with and without a GPU can share a checkout.
is_complete() {
  local made
  [ -x "$environment/bin/python" ] && made=$(cat "$environment/made-from" 2>/dev/null) || return 1
  case $made in
    gpu\ *) [ "$ACCELERATOR" != cpu ] && [ "$made" = "$(made_from gpu)" ] ;;
    *) [ "$made" = "$(made_from cpu)" ] && [ "$ACCELERATOR" != gpu ] && { [ "$ACCELERATOR" = cpu ] || ! has_gpu; } ;;
  esac
}

is_linked() {
  if [ -n "$named" ]; then [ -d .venv ]; else [ .venv -ef "$environment" ]; fi
}

link() {
  is_linked || ln -sfn "$environment" .venv
}

# Takes over an environment from before there was a folder per stack; fails where there is none.
adopt() {
  [ -d "$1" ] && [ ! -L "$1" ] || return 1
  rm -rf ".venvs/$2"
  mkdir -p .venvs
  mv "$1" ".venvs/$2"
}

choose_order
use_stack "${order[0]}"
if is_complete && is_linked; then
  exit 0
fi
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "TFX has packages for Linux on x86_64 alone, and this is $(uname -sm). The container image runs here, too: docker" \
    "build --platform linux/amd64, see kubernetes/README.md." >&2
  exit 1
fi

wait_for_turn
adopt .venv-current current || true
if adopt .venv default; then
  ln -s .venvs/default .venv
fi
choose_order
use_stack "${order[0]}"
if is_complete; then
  link
  exit 0
fi

"$uv" --version >/dev/null
python=
for stack in "${order[@]}"; do
  use_stack "$stack"
  if has_glibc && python=$(find_python_of_stack); then
    break
  fi
done
if [ -z "$python" ]; then
  use_stack "${named:-default}"
  failed=
  if has_glibc; then
    failed=${versions[0]}
    if "$uv" python install --no-bin "${versions[0]}" >&2; then
      python=$("$uv" python find --quiet --managed-python "${versions[0]}")
    fi
  fi
fi
if [ -z "$python" ]; then
  explain_ways_out "$named" "$failed"
  exit 1
fi

accelerator=${ACCELERATOR:-$(has_gpu && echo gpu || echo cpu)}
locks=(-r "$lock") size="about 3 GB"
if [ "$accelerator" = gpu ]; then
  locks+=(-r "$cuda_lock") size="6 to 7 GB with CUDA's, which ACCELERATOR=cpu leaves out"
fi
echo "Setting up $environment with $("$python" --version) and the packages of $lock: $size, some minutes the first time."
"$uv" venv --quiet --clear --python "$python" "$environment"
# First, so that the lock finds it in place: from PyPI it comes as source only, and needs a C++ compiler.
"$uv" pip install --quiet --python "$environment" --no-deps --no-index --find-links requirements/wheels pyfarmhash
# A few packages come as source; the lock pins what builds them, too.
"$uv" pip install --python "$environment" --no-deps --require-hashes --build-constraints "$lock" "${locks[@]}"
[ "$accelerator" = cpu ] || requirements/link_cuda.sh "$environment"
"$uv" pip install --quiet --python "$environment" --no-deps --no-build-isolation --editable .
made_from "$accelerator" >"$environment/made-from"
link
