"""A user of terraform, kubectl, gh or ruff finds what they expect: each row of the guide's table is tried."""

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from reconciler.cli.suggestions import OPTIONS, unknown_option
from tests.conventions.test_every_command import EVERY
from tests.documentation.pages import ROOT, page
from tests.journey.desk import FILL, Desk

GUIDE = "reconciler/cli/README.md"
HEAD = "| a user of | expects | here |\n|---|---|---|\n"
Trial = Callable[[Desk, pytest.MonkeyPatch], None]
ROWS: dict[tuple[str, str, str], Trial] = {}
"""The table's rows, in its order, each with its trial."""


def row(tool: str, expects: str, here: str) -> Callable[[Trial], Trial]:
    """Add a row, which the function tries."""

    def add(trial: Trial) -> Trial:
        ROWS[tool, expects, here] = trial
        return trial

    return add


def pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Give the next command standard input."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode()), isatty=lambda: False))


@row("terraform", "`plan -out=FILE`, `apply FILE`", "`plan --out FILE`, `apply --plan FILE`")
def saved_plan(desk: Desk, _: pytest.MonkeyPatch) -> None:
    assert desk.run("plan", "--out", "plan.json").code == 0
    assert "`reconciler apply --plan FILE` applies it" in desk.run("apply", "plan.json").err
    assert desk.run("apply", "--plan", "plan.json", "--yes", "--no-wait").code == 0
    assert desk.posts()


@row("terraform", "`plan -detailed-exitcode` exits 2 if there are changes", "`plan --detailed-exitcode` does")
def detailed_exitcode(desk: Desk, _: pytest.MonkeyPatch) -> None:
    assert desk.run("plan").code == 0
    assert desk.run("plan", "--detailed-exitcode").code == 2


@row(
    "terraform",
    "`apply` asks, `-auto-approve` does not",
    "`apply` asks, `--yes` does not; without a terminal it is needed",
)
def approval(desk: Desk, _: pytest.MonkeyPatch) -> None:
    said = desk.run("apply")
    assert (said.code, "--yes" in said.err, desk.posts()) == (1, True, [])
    assert "did you mean `--yes`?" in desk.run("apply", "-auto-approve").err
    assert desk.run("apply", "--yes", "--no-wait").code == 0


@row("terraform", "one dash before a long option", "two; one is answered with the option that is meant")
def one_dash(desk: Desk, _: pytest.MonkeyPatch) -> None:
    said = desk.run("plan", "-target=target-accounts")
    assert (said.code, "did you mean `--target`?" in said.err) == (64, True)


@row("terraform", "`-chdir=DIR`", "`-C DIR`, as in git and make")
def change_folder(desk: Desk, _: pytest.MonkeyPatch) -> None:
    (desk.folder / "elsewhere").mkdir()
    desk.folder, here = desk.folder / "elsewhere", desk.folder
    assert desk.run("-C", "..", "validate").code == 0
    assert desk.run("validate", "-C", "..").code == 0
    assert "use `-C DIR`" in desk.run("validate", "--chdir", "..").err
    desk.folder = here


@row("terraform", "`-target` may be given several times", "`--target` may, or with commas, and with `*`")
def several_targets(desk: Desk, _: pytest.MonkeyPatch) -> None:
    both = ("target-accounts/fill", "target-accounts/retry")
    for options in (["--target", both[0], "--target", both[1]], ["--target", ",".join(both)], ["--target", "target-*"]):
        plan = desk.run("plan", "--format", "json", *options).json
        assert {call["address"] for call in plan["calls"]} == set(both)


@row("terraform", "`show FILE` shows a saved plan", "`show FILE` does, and `show -`")
def show_plan(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = desk.run("plan", "--out", "-").out
    (desk.folder / "plan.json").write_text(plan)
    shown = desk.run("show", "plan.json").out
    assert "target-accounts" in shown
    pipe(monkeypatch, plan)
    assert desk.run("show", "-").out == shown


@row("terraform", "`force-unlock`", "`ledger release TABLE`")
def force_unlock(desk: Desk, _: pytest.MonkeyPatch) -> None:
    assert "did you mean `reconciler ledger release TABLE`?" in desk.run("force-unlock").err


@row("terraform", "`validate -json`", "`--format json`, wherever there is JSON")
def format_json(desk: Desk, _: pytest.MonkeyPatch) -> None:
    for command in (["plan"], ["status"], ["drift"], ["explain", "target-accounts"], ["ledger", "list"], ["doctor"]):
        assert isinstance(desk.run(*command, "--format", "json").json, dict | list)
    assert "use `--format json`" in desk.run("plan", "--json").err


@row("kubectl", "`apply -f FILE`, `-f -` is standard input", "`apply FILE`, `apply -`")
def stdin(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, FILL)
    assert desk.run("apply", "-", "--yes", "--no-wait").code == 0
    assert "without an option" in desk.run("apply", "-f", "x.yaml").err


@row("kubectl", "`kubectl apply --dry-run`", "`plan`, as the answer says")
def dry_run(desk: Desk, _: pytest.MonkeyPatch) -> None:
    said = desk.run("apply", "--dry-run")
    assert (said.code, "`reconciler plan` shows" in said.err, desk.posts()) == (64, True, [])


@row("kubectl", "`diff`", "`plan`; `plan --against REF` for a change")
def diff(desk: Desk, _: pytest.MonkeyPatch) -> None:
    assert "did you mean `reconciler plan`?" in desk.run("diff").err


@row("kubectl", "`get -l team=gtm`", "`status --target team=gtm`")
def by_label(desk: Desk, _: pytest.MonkeyPatch) -> None:
    assert "target-accounts" in desk.run("status", "--target", "team=gtm").out
    said = desk.run("status", "--target", "team=gtn")
    assert (said.code, "The labels here: team=gtm." in said.err) == (1, True)
    assert "did you mean `reconciler status`?" in desk.run("get").err


@row("kubectl", "global options before or after the command", "likewise")
def global_options(desk: Desk, _: pytest.MonkeyPatch) -> None:
    before, after = desk.run("--ledger", "x.db", "-v", "plan"), desk.run("plan", "--ledger", "x.db", "-v")
    assert "ledger: x.db" in before.err
    assert "ledger: x.db" in after.err


@row("kubectl", "`completion bash`", "`completion bash`, `zsh`, `fish`")
def completion(desk: Desk, _: pytest.MonkeyPatch) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_RECONCILER_COMPLETE" in desk.run("completion", shell).out


@row("gh", "`auth status` says what is wrong", "`doctor` does, and with what")
def auth_status(desk: Desk, _: pytest.MonkeyPatch) -> None:
    desk.extra = {"EXTRUCT_API_TOKEN": ""}
    said = desk.run("doctor")
    assert (said.code, "there is no API token" in said.out) == (1, True)
    assert "did you mean `reconciler doctor`?" in desk.run("auth").err


@row("gh", "a wrong command is answered with a close one", "likewise, options and selectors, too")
def suggestions(desk: Desk, _: pytest.MonkeyPatch) -> None:
    assert "did you mean `reconciler plan`?" in desk.run("plam").err
    assert "did you mean `reconciler ledger list`?" in desk.run("ledger", "lst").err
    assert "did you mean `--target`?" in desk.run("plan", "--tarjet", "x").err
    assert "a run's columns stand in its manifest" in desk.run("plan", "--colums", "x").err
    assert "did you mean `--column`?" in desk.run("explain", "target-accounts", "--colum", "x").err
    assert "`reconciler explain E101` tells a code" in desk.run("explain", "e101").err
    assert "did you mean `target-accounts`?" in desk.run("plan", "--target", "target-acounts").err


@row("gh", "`help` and `version` as words", "`--help`, `-h`, `--version`, as the answer says")
def help_and_version(desk: Desk, _: pytest.MonkeyPatch) -> None:
    assert "`reconciler --help`" in desk.run("help").err
    assert "`reconciler --version`" in desk.run("version").err
    short, long = desk.run("plan", "-h"), desk.run("plan", "--help")
    assert short == long
    assert desk.run("--version").out.startswith("reconciler ")


@row("gh", "examples, variables and exit codes in `--help`", "in the help of every command")
def help_pages(desk: Desk, _: pytest.MonkeyPatch) -> None:
    said = desk.run("apply", "--help").out
    assert [part for part in ("Examples:", "Environment:", "Exit codes:") if part not in said] == []


@row("gh", "no colour in a pipe, with `NO_COLOR` or `--no-color`", "likewise")
def no_colour(desk: Desk, _: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in desk.run("plan").out
    assert desk.run("plan", "--no-color").code == 0


@row("ruff", "`check -` with standard input", "`validate -`, with `<stdin>` for its name")
def validate_stdin(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, FILL.replace("mode: new", "mode: mew"))
    said = desk.run("validate", "-")
    assert (said.code, said.err.startswith("<stdin>:10:")) == (1, True)
    assert "did you mean `reconciler validate`?" in desk.run("check").err


@row("ruff", "`.venv`, `node_modules` and hidden folders are passed by", "likewise, unless they are named")
def installed_folders(desk: Desk, _: pytest.MonkeyPatch) -> None:
    for folder in ("manifests/.venv", "manifests/venv/lib", "manifests/node_modules/x", "manifests/.hidden"):
        desk.write("not a manifest", f"{folder}/x.yaml")
    assert desk.run("validate").code == 0
    assert desk.run("validate", "manifests/venv").code == 1


@row(
    "ruff",
    "`path:line:column: message`, which editors and CI link",
    "likewise; `--format github\\|gitlab\\|sarif\\|junit`",
)
def locations(desk: Desk, _: pytest.MonkeyPatch) -> None:
    desk.write(FILL.replace("mode: new", "mode: mew"))
    assert desk.run("validate").err.startswith("manifests/accounts.yaml:10:")
    assert "manifests/accounts.yaml" in desk.run("validate", "--format", "sarif").out


@row("all", "answers on stdout, everything else on stderr", "likewise; `--out -` is stdout")
def streams(desk: Desk, _: pytest.MonkeyPatch) -> None:
    said = desk.run("plan", "-v", "--out", "-")
    assert json.loads(said.out)["plan_id"]
    assert "ledger: " in said.err
    assert desk.run("plan", "--out", "-", "--format", "markdown").code == 64
    report = desk.run("apply", "--yes", "--no-wait", "--out", "-").json
    assert report["exit_code"] == 0
    assert not Path(desk.folder, "-").exists()


@row("all", "Ctrl-C is 130, a wrong command line is not 1", "130, and 64")
def usage(desk: Desk, _: pytest.MonkeyPatch) -> None:
    assert desk.run("plan", "--nonsense").code == 64
    assert desk.run("nonsense").code == 64


@pytest.mark.parametrize("path", EVERY)
def test_no_answer_names_an_option_that_the_command_lacks(path: str) -> None:
    """Whatever option of another tool was meant, and also for one that only looks like it."""
    context = click.Context(EVERY[path], info_name=path)
    known = {name for each in EVERY[path].params for name in each.opts}
    for option in OPTIONS:
        for written in (option, f"{option}x"):
            said = unknown_option(click.NoSuchOption(written, ctx=context), [written]).message
            named = set(re.findall(r"(?<=`)--?[a-zA-Z-]+", said)) - {written, "-C"}
            assert named <= known, (written, said)


@pytest.mark.parametrize("key", ROWS, ids=lambda key: ROWS[key].__name__)
def test_the_convention_holds(desk: Desk, monkeypatch: pytest.MonkeyPatch, key: tuple[str, str, str]) -> None:
    """As its row says."""
    ROWS[key](desk, monkeypatch)


def test_the_guide_has_the_table(pytestconfig: pytest.Config) -> None:
    """Every row that is tried, and no other; `--rewrite-golden` writes it."""
    table = HEAD + "".join(f"| {' | '.join(each)} |\n" for each in ROWS)
    text = page(GUIDE).text
    begin = text.index(HEAD)
    end = text.index("\n\n", begin) + 1
    if pytestconfig.getoption("--rewrite-golden"):
        (ROOT / GUIDE).write_text(text[:begin] + table + text[end:], encoding="utf-8")
        return
    assert text[begin:end] == table
