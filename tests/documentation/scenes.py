"""The places where the commands of the pages are run: a folder, its files, and the variables of the environment."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.ledger import open_ledger
from reconciler.model.history import CallState
from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from reconciler.simulator.world.sample import sample
from reconciler.simulator.world.workspace_file import load
from tests.documentation.pages import ROOT, block
from tests.ledger.calls_and_actors import ROBOT, TABLE, a_call, begin, ended

_PROJECT = """\
apiVersion: reconciler/v1
kind: Project
spec:
  limits: {{max_credits: {credits}}}
"""
_RECONCILER = """\
#!/bin/sh
# `apply` asks on a terminal; where there is none, this is the answer.
# Nor does it wait: the simulator's time stands still.
case " $* " in *" apply "*) case " $* " in *" --help "*) ;; *) set -- "$@" --yes --no-wait ;; esac ;; esac
exec "{python}" -I -S "{client}" "$@"
"""
_CHECKOUT = {
    ".venv/bin/pytest": """\
#!/bin/sh
# Collects nothing, which ends with 5: the folders exist, and the options are known.
cd "{root}"
case " $* " in *" tests/"*) ;; *) set -- tests/packaging "$@" ;; esac
"{python}" -m pytest --collect-only --ignore-glob='*.py' "$@"
test $? -eq 5
""",
    ".venv/bin/python": '#!/bin/sh\ncd "{root}" && exec "{python}" "$@" --help\n',
    ".ci/run": '#!/bin/sh\ntest -x "{root}/.ci/run"\n',
    ".ci/long": '#!/bin/sh\ntest -x "{root}/.ci/long"\n',
}
"""Stand-ins for commands that take minutes; CI runs them."""
_LEDGER_ON_A_SERVER = "postgresql://ledger.internal/reconciler"
_TEN_MINUTES = 600.0


@dataclass
class Scene:
    """Runs a script in a folder, with `reconciler` on its path and a simulator behind it."""

    folder: Path
    simulator: LiveSimulator
    variables: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    """A page's words → what they stand for here."""

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a bash script."""
        for written, meant in self.replaced.items():
            script = script.replace(written, meant)
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        tools = self.folder.parent / "tools"
        environment = {
            **kept, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
            "RECONCILER_SNAPSHOT_KEY": "5f" * 32, "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            **self.simulator.environment(), **self.variables,
        }  # fmt: skip
        return subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def do(self, script: str) -> None:
        """Run what prepares the scene; it must succeed."""
        done = self.run(f"set -eu\n{script}")
        assert done.returncode == 0, done.stderr


def _front(scene: Scene) -> None:
    """The manifest of the front page and nothing else."""
    (scene.folder / "manifests").mkdir()
    (scene.folder / "manifests" / "target-accounts.yaml").write_text(block("README.md", "yaml", "manifest").text)


def _desk(scene: Scene) -> None:
    """A project in a repository, with a change since `origin/main` that is not committed."""
    (scene.folder / "manifests").mkdir()
    manifest = (ROOT / "examples" / "three-modes" / "manifest.yaml").read_text(encoding="utf-8")
    here = scene.folder / "manifests" / "target-accounts.yaml"
    here.write_text(manifest.replace("[latest_funding, pricing_notes]", "[latest_funding]").replace("3", "2", 1))
    (scene.folder / "reconciler.yaml").write_text(_PROJECT.format(credits=200))
    scene.do("git init -q -b main && git add . && git commit -q -m base")
    scene.do("git update-ref refs/remotes/origin/main main")
    here.write_text(manifest)
    (scene.folder / "reconciler.yaml").write_text(_PROJECT.format(credits=500))


def _bought(scene: Scene) -> None:
    """The same, after an apply."""
    _desk(scene)
    scene.do("reconciler apply --yes")


def _doubt(scene: Scene) -> None:
    """The same, with a call of ten minutes ago in doubt."""
    _desk(scene)
    scene.do("reconciler ledger init")
    call = a_call(7, table=TABLE)
    path = scene.folder / ".reconciler" / "ledger.db"
    with open_ledger(os.fspath(path), clock=lambda: time.time() - _TEN_MINUTES) as ledger:
        ledger.end(begin(ledger, call, actor=ROBOT), ended(CallState.IN_DOUBT))
    scene.variables["CALL"] = call.id


def _examples(scene: Scene) -> None:
    """The folder of the examples."""
    shutil.copytree(ROOT / "examples", scene.folder, dirs_exist_ok=True)


def _policy(scene: Scene) -> None:
    """The folder of the examples, with stand-ins for the programs that judge plans."""
    _examples(scene)
    for program in ("conftest", "opa"):
        runner = f'exec "{sys.executable}" "{ROOT}/tests/examples/rego_runner.py" {program} "$@"'
        _program(scene.folder.parent / "tools" / program, f"#!/bin/sh\n{runner}\n")


def _checkout(scene: Scene) -> None:
    """The top of this repository, where what takes minutes is only looked up."""
    for name, script in _CHECKOUT.items():
        _program(scene.folder / name, script)


def _setup(scene: Scene) -> None:
    """An empty folder, and a checkout of this repository."""
    scene.variables["reconciler"] = str(ROOT)


def _nothing(scene: Scene) -> None:
    """An empty folder."""


SCENES: dict[str, Callable[[Scene], None]] = {
    "": _desk,
    "desk": _desk,
    "bought": _bought,
    "doubt": _doubt,
    "postgres": _desk,
    "front": _front,
    "examples": _examples,
    "policy": _policy,
    "checkout": _checkout,
    "setup": _setup,
    "session": _nothing,
}
"""Second word of a block's info string → what makes the place that its commands are run in."""


@contextmanager
def scene(kind: str, folder: Path, client: Path, ledger_on_a_server: str | None = None) -> Iterator[Scene]:
    """Make a scene of a kind below a folder; its `reconciler` is a fork server's client."""
    world = sample() if kind == "session" else load(ROOT / "examples" / "workspace.yaml")
    _program(folder / "tools" / "reconciler", _RECONCILER.replace("{client}", os.fspath(client)))
    (folder / "here").mkdir()
    with serve(world, clock=ManualClock()) as simulator:
        made = Scene(folder / "here", simulator)
        made.replaced["EXTRUCT_API_TOKEN=…"] = f"EXTRUCT_API_TOKEN={simulator.token}"
        if ledger_on_a_server:
            made.replaced[_LEDGER_ON_A_SERVER] = f"'{ledger_on_a_server}'"
        SCENES[kind](made)
        yield made


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(python=sys.executable, root=ROOT) if "{" in text else text, encoding="utf-8")
    path.chmod(0o755)
