# To be sourced. Defines wait_for_turn.

# Lets one call at a time set up in this folder: two, as from two terminals, would tear down each other's work. The turn
# ends with the script that took it, however it ends. By python3, which is needed anyway, because flock(1) is not
# everywhere.
wait_for_turn() {
  mkdir -p .tools
  exec 9>.tools/set_up.lock
  python3 -c '
import fcntl
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("Another call is setting up in this folder; waiting for it.", flush=True)
    fcntl.flock(9, fcntl.LOCK_EX)
' || {
    echo "Setting up needs a python3 with venv and pip. On Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
  }
}
