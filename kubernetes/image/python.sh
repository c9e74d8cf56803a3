#!/usr/bin/env bash
# Makes the ground on which the image's stages stand: checks that the base image can carry the stack, and installs
# a Python of the stack where the base has none. Writes its choice to /opt/headstart/stack.
#
#   python.sh STACK ACCELERATOR      auto, default or current; cpu, gpu or tpu
#
# Where neither the base nor Debian has the Python (3.10 on a plain Debian), packages.sh fetches one.
set -euo pipefail

fail() {
  printf '\n%s\n\n' "$*" >&2
  exit 1
}

stack=$1 accelerator=$2

case $stack in auto | default | current) ;; *)
  fail "STACK is auto, default (TFX 1.16, Python 3.10) or current (TFX 1.21, Python 3.11 to 3.13), not '$stack'."
  ;;
esac
case $accelerator in cpu | gpu) ;; tpu)
  if [ "$stack" != default ]; then
    fail "ACCELERATOR=tpu goes with STACK=default: tensorflow-tpu has no release that TFX 1.21 can use. Give the steps" \
      "without a TPU an image of STACK=default, too."
  fi
  ;;
*) fail "ACCELERATOR is cpu, gpu or tpu, not '$accelerator'." ;; esac
if [ "$(uname -m)" != x86_64 ]; then
  fail "TFX has packages for x86_64 only, and this is $(uname -m): docker build --platform linux/amd64 ..."
fi
if ! command -v apt-get >/dev/null; then
  fail "BASE has to be a Debian 12 or 13, and this has no apt-get: $(. /etc/os-release && echo "$PRETTY_NAME")."
fi

glibc=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
new_enough=$([ "$(printf '%s\n' 2.39 "$glibc" | sort -V | head -1)" = 2.39 ] && echo yes || echo no)
if [ "$stack" = auto ]; then
  stack=$([ $new_enough = yes ] && echo current || echo default)
fi
if [ "$stack" = current ] && [ $new_enough = no ]; then
  fail "STACK=current (TFX 1.21) needs glibc 2.39 or later, and BASE ($(. /etc/os-release && echo "$PRETTY_NAME"))" \
    "has $glibc. Take a Debian 13, as BASE=debian:13-slim, or STACK=default."
fi
case $stack in default) versions=(3.10) ;; current) versions=(3.13 3.12 3.11) ;; esac

install() {
  # --no-upgrade: a base may have its own certificates in a file that a newer ca-certificates would write anew.
  [ -n "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit)" ] || apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-upgrade "$@"
}

# A Python as TFX needs it; some are built without a library that their build machine lacked.
works() {
  "$1" -c 'import bz2, ctypes, lzma, sqlite3, ssl' 2>/dev/null
}

install ca-certificates
python=
for version in "${versions[@]}"; do
  if works "python$version"; then
    python=$(command -v "python$version")
    break
  fi
done
if [ -z "$python" ]; then
  for version in "${versions[@]}"; do
    # apt knows names of which it has no package, too: their candidate is (none).
    candidate=$(apt-cache policy "python$version" | sed -n 's/^ *Candidate: *//p')
    if [ -n "$candidate" ] && [ "$candidate" != "(none)" ]; then
      install "python$version"
      python=/usr/bin/python$version
      break
    fi
  done
fi
if [ -z "$python" ] && [ "$stack" = current ]; then
  fail "STACK=current needs Python 3.13, 3.12 or 3.11, and neither BASE nor its package sources have one." \
    "Take a base with it, as BASE=python:3.13-slim-trixie."
fi
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log /var/log/alternatives.log

# The official Python images leave their library uncompiled, and a step on a read-only disk would compile it anew.
if [ -n "$python" ]; then
  library=$("$python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
  [ -n "$(find "$library/__pycache__" -name 'os.*.pyc' -print -quit 2>/dev/null)" ] ||
    "$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash -x 'test|lib2to3|site-packages' "$library"
fi

mkdir -p /opt/headstart
printf 'stack=%s\naccelerator=%s\npython=%s\n' "$stack" "$accelerator" "$python" >/opt/headstart/stack
cat /opt/headstart/stack
