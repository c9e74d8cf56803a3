# To be sourced after stacks.sh. Defines explain_ways_out.

# Says what the machine lacks for each stack, and every way to go on.
#
#   explain_ways_out NAMED FAILED      the stack that was named and the Python that uv could not download, or nothing
explain_ways_out() {
  local named=$1 failed=$2
  local headline=${named:+cannot carry the $named stack}
  headline=${headline:-can carry neither stack}
  cat >&2 <<MESSAGE

Nothing was set up: this machine $headline yet.

  The default stack (TFX 1.16) lacks $(lacks default).
  The current stack (TFX 1.21) lacks $(lacks current).

Pythons were looked for on PATH, among pyenv's versions and among uv's.${failed:+ uv could not download Python $failed: see above.}
Do one of these, then call make again:

  Python 3.10, for the default stack
    Ubuntu 22.04              sudo apt-get install python3.10
    Ubuntu, other releases    sudo add-apt-repository ppa:deadsnakes/ppa && sudo apt-get install python3.10
    any Linux, with pyenv     pyenv install 3.10
    any Linux that reaches GitHub, itself or through a proxy (HTTPS_PROXY)
                              requirements/uv.sh python install 3.10
  Python 3.11 to 3.13 and glibc 2.39 or later, for the current stack
    Debian 13, Ubuntu 24.04   sudo apt-get install python3
    another Linux as new      pyenv install 3.13, or requirements/uv.sh python install 3.13
  neither
    the container image       see kubernetes/README.md
MESSAGE
}
