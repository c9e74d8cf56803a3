"""A checkout to set up: the real scripts, small locks, and stand-ins for uv, Pythons and the driver."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "requirements"

# Writes down its arguments, and makes environments that hold no more than the scripts look at.
UV = """#!/bin/bash
[ "$1" != --version ] || exit 0
echo "$@" >>uv_calls
[ ! -e uv_is_slow ] || sleep 1
case "$1 $2" in
  "python install") [ -e uv_reaches_github ] ;;
  "python find") echo "$PWD/downloaded/python$5" ;;
  venv*)
    environment=${@: -1}
    rm -rf "$environment"
    packages=$environment/lib/python3.10/site-packages
    mkdir -p "$environment/bin" "$packages"/nvidia/{cublas,nccl}/lib
    touch "$packages"/nvidia/cublas/lib/libcublas.so.12 "$packages"/nvidia/nccl/lib/libnccl.so.2
    cp "$0" "$environment/bin/python"
    ;;
  pip*) [ ! -e uv_fails ] ;;
esac
"""


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class Checkout:
    """A folder with the commands of this machine but flock, one python3, and no Python of a stack."""

    def __init__(self, root: Path, glibc: str = "glibc 2.36"):
        self.root = root
        self.bin = root / "bin"
        self.pyenv = root / "pyenv"
        requirements = root / "requirements"
        shutil.copytree(REQUIREMENTS, requirements, ignore=shutil.ignore_patterns("*.txt", "*.in", "wheels"))
        write_script(requirements / "uv.sh", UV)
        for lock in ("tfx-1.16", "tfx-1.21", "cuda-1.16", "cuda-1.21"):
            (requirements / f"{lock}.txt").write_text(f"{lock}\n")
        (root / "setup.py").write_text("")
        self.set_glibc(glibc)
        self.tools = root / "tools"
        self.tools.mkdir()
        commands = {file.name: file for place in ("/bin", "/usr/bin") for file in Path(place).iterdir()}
        for name, file in commands.items():
            if not name.startswith("python") and name not in ("flock", "nvidia-smi"):
                (self.tools / name).symlink_to(file)
        write_script(self.tools / "python3", f'#!/bin/bash\nexec {sys.executable} "$@"\n')

    def set_glibc(self, answer: str) -> None:
        write_script(self.bin / "getconf", f"#!/bin/bash\necho {answer}\n")

    def add_python(self, name: str, text: str = "") -> Path:
        """Puts a Python on PATH that answers with its own path, or runs `text` instead."""
        path = self.bin / name
        write_script(path, f"#!/bin/bash\n{text or f'echo {path}'}\n")
        return path

    def add_driver(self, gpus: int = 1) -> None:
        lines = "".join(f"echo 'GPU {i}: NVIDIA L4 (UUID: GPU-{i})'\n" for i in range(gpus))
        write_script(self.bin / "nvidia-smi", f"#!/bin/bash\n{lines or 'exit 9'}\n")

    def command(self, *stack: str, **environment: str) -> dict:
        """Returns what subprocess needs to call set_up.sh."""
        return {
            "args": [self.root / "requirements" / "set_up.sh", *stack],
            "env": {
                "PATH": f"{self.bin}:{self.tools}",
                "HOME": str(self.root),
                "PYENV_ROOT": str(self.pyenv),
                **environment,
            },
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }

    def set_up(self, *stack: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(**self.command(*stack, **environment), check=False)

    def does_nothing(self, *stack: str, **environment: str) -> bool:
        """Tells whether another call finds everything done."""
        done = self.set_up(*stack, **environment)
        return (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def take_uv_calls(self) -> list[str]:
        """Returns the calls of uv since the last time this was asked."""
        calls = self.root / "uv_calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return lines

    @property
    def link(self) -> str:
        return os.readlink(self.root / ".venv")
