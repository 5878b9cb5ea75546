"""Running git over files that others wrote: it runs nothing that they name, knows no secret, and its refusals are told.

A change can hold the files of a bare repository with a configuration that names programs, and a program called `git`.
So git is found outside the work tree alone, and started where `.git` stands, which no change can hold.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import SettingsError
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

GIT_SECONDS = 60.0

_ENVIRONMENT = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
# For what should not happen: that git takes a folder of files for a repository, or a file-system monitor is named.
_SAFE = ("-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false")
# All that git needs. Whatever it starts after all, the user's filters say, finds neither the token nor the ledger's URL
# nor a key; of its own variables many name programs, and some hold secrets.
_PASSED_ON = frozenset(
    {
        *("APPDATA", "HOME", "HOMEDRIVE", "HOMEPATH", "LD_LIBRARY_PATH", "LOGNAME", "PROGRAMDATA", "SYSTEMROOT"),
        *("TEMP", "TMP", "TMPDIR", "USER", "USERPROFILE", "XDG_CONFIG_HOME"),
        *("GIT_CEILING_DIRECTORIES", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM"),
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    }
)
_BRANCH = re.compile(r"refs/(?:heads|remotes/origin)/([A-Za-z0-9][A-Za-z0-9._/-]*)\n")
_HINTS = {
    "safe.directory": "If you trust whoever owns these files: git config --global --add safe.directory {top}",
    "promisor": "This is a partial clone, which lacks files of that commit: fetch them with "
    "`git fetch --refetch --no-filter`, or clone without a filter.",
}
_DAMAGED = "`git fsck` says more; a new clone may be the quickest way out."


def work_tree(folder: Path) -> Path | None:
    """Return the top of the work tree that holds a folder, without links; None where there is none."""
    here = Path(os.path.realpath(folder))
    return next((each for each in (here, *here.parents) if os.path.lexists(each / ".git")), None)


def run_git(top: Path, *arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run git at the top of a work tree, and wait for it. Raises SettingsError if it cannot be run."""
    # Neither from a folder that is relative to wherever the program was started, nor from among the files of a change.
    folders = [Path(entry) for entry in os.get_exec_path()]
    outside = (each for each in folders if each.is_absolute() and not each.resolve().is_relative_to(top))
    path = os.pathsep.join(map(os.fspath, outside))
    program = shutil.which("git", path=path)
    if program is None or not Path(program).is_absolute():  # Windows would look into the working directory as well
        raise SettingsError(
            "git is not found in any folder of PATH that is absolute and outside the work tree",
            hint="Install git, or put its folder into PATH.",
            code=Code.GIT,
        )
    try:
        return subprocess.run(  # noqa: S603 - fixed words and a checked ref, never a shell's text
            [program, "-C", os.fspath(top), *_SAFE, "--no-replace-objects", *arguments],
            input=given,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
            env={**_passed_on(os.environ), **_ENVIRONMENT, "PATH": path},
        )
    except (OSError, subprocess.SubprocessError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it gave no answer within {GIT_SECONDS:g} seconds"
        raise SettingsError(f"git cannot be run: {why}", code=Code.GIT) from None


def likely_default_branches(folder: Path) -> list[str]:
    """Return the branch that `origin` begins with, and the one that is checked out; none if git does not tell."""
    top = work_tree(folder)
    if top is None:
        return []
    try:
        told = [run_git(top, "symbolic-ref", "--quiet", ref) for ref in ("refs/remotes/origin/HEAD", "HEAD")]
    except SettingsError:
        return []
    found = (_BRANCH.fullmatch(done.stdout.decode(errors="replace")) for done in told)
    return [branch[1] for branch in found if branch is not None]


def ask_git(top: Path, *arguments: str, given: bytes = b"") -> bytes:
    """Return what git answers. Raises SettingsError, as `refusal` puts it."""
    done = run_git(top, *arguments, given=given)
    if done.returncode:
        raise refusal(top, done)
    return done.stdout


def refusal(top: Path, done: "subprocess.CompletedProcess[bytes]") -> SettingsError:
    """Return the error for what git refused: in its own words, and with the way out."""
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    fatal = [line.removeprefix("fatal: ") for line in lines if line.startswith("fatal: ")]
    said = "; ".join(fatal or filter(None, lines)) or f"it ended with {done.returncode}"
    shown = one_line(os.fspath(top), limit=1000)
    hint = next((hint for sign, hint in _HINTS.items() if any(sign in line for line in lines)), _DAMAGED)
    return SettingsError(
        f"git cannot read the repository at {shown}: {one_line(said, 500)}",
        hint=hint.format(top=shown),
        code=Code.GIT,
    )


def _passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.upper() in _PASSED_ON}
