"""The program in a process of its own that lacks what other systems lack."""

import os
import subprocess
import sys
from pathlib import Path

from reconciler.simulator.live import LiveSimulator

ROOT = Path(__file__).parents[2]

NO_RE2 = "sys.modules['re2'] = None"

AS_ON_WINDOWS = """
import asyncio, os, shutil, signal, socket, subprocess, tempfile, time

# After Python's own modules, which have other parts for Windows.
for name in ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in [name for name in dir(signal) if name.startswith("SIG") and name[3] != "_"]:
    if name not in ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"):
        delattr(signal, name)
lacking = {
    os: "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK chown fchmod fchown fork getegid geteuid getgid getgroups getpgid "
    "getsid getuid killpg lchown mkfifo posix_fadvise register_at_fork set_blocking setsid statvfs sysconf uname wait4",
    time: "clock_gettime CLOCK_BOOTTIME CLOCK_MONOTONIC tzset",
}
for module, names in lacking.items():
    for name in names.split():
        vars(module).pop(name, None)  # where Windows or macOS runs the tests, some are not there

def no_proc(event, arguments):
    if event == "open" and str(arguments[0]).startswith("/proc"):
        raise FileNotFoundError(2, "No such file or directory", arguments[0])

sys.addaudithook(no_proc)
"""
"""Names that Windows lacks and the program could ask for; `mypy --platform win32` sees every other name."""


def run(lacking: str, folder: Path, *arguments: str, simulator: LiveSimulator | None = None) -> tuple[int, str, str]:
    """Run a command line in a folder, in a process that `lacking` has prepared; return its exit code and streams."""
    script = f"import sys\n{lacking}\nfrom reconciler.cli import main\nsys.argv[0] = 'reconciler'\nmain()"
    environment = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP") if name in os.environ}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252"}
    environment |= {} if simulator is None else simulator.environment()
    command = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning", "-c", script, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="cp1252", check=False)
    return done.returncode, done.stdout, done.stderr
