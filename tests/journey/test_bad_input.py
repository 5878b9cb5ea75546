"""Bad input of every kind: a clear error with its place, exit 1 or 64, no traceback, and nothing sent."""

from itertools import pairwise

import pytest

from tests.journey.desk import FILL, Desk

MANIFESTS = {
    "not-yaml": "a: [1\n",
    "empty": "",
    "list": "- 1\n",
    "tab": "a:\n\tb: 1\n",
    "unknown-kind": FILL.replace("TableRun", "TableRum"),
    "unknown-key": FILL.replace("max_attempts", "max_attemps"),
    "no-revision": FILL.replace("mode: new", "mode: all"),
    "not-a-uuid": FILL.replace("0a1a669a-9a40", "../../admin/keys"),
    "duplicate-key": FILL.replace("  name: target-accounts", "  name: target-accounts\n  name: again"),
    "tag": FILL.replace("mode: new", "mode: !!python/object:os.system new"),
    "aliases": "a: &a [x, x]\n" + "".join(f"{c}: &{c} [*{b}, *{b}, *{b}]\n" for b, c in pairwise("abcdefghijk")),
    "escape-sequence": FILL.replace("name: fill", 'name: "\\e[31mfill"'),
}


@pytest.mark.parametrize(
    "command", [["validate"], ["plan"], ["apply", "--yes", "--no-wait"]], ids=lambda words: words[0]
)
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_bad_manifest_is_an_error_at_its_place(desk: Desk, name: str, command: list[str]) -> None:
    """Every command refuses it alike, before anything is asked of the API."""
    desk.write(MANIFESTS[name])
    said = desk.run(*command)
    assert said.code == 1
    assert "Traceback" not in said.err
    assert "\x1b" not in said.err
    assert said.out == ""
    assert desk.simulator.requests() == []
    if name != "empty":
        assert "manifests/accounts.yaml:" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--nonsense"],
        ["nonsense"],
        [],
        ["plan", "--format", "xml"],
        ["apply", "--no-wait", "--timeout", "-1"],
        ["apply", "--no-wait", "--plan", "p.json", "--target", "x"],
        ["apply", "--no-wait", "--plan-max-age", "soon"],
        ["ledger"],
        ["ledger", "resolve", "abcd"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_exits_64(desk: Desk, words: list[str]) -> None:
    """2 is taken: it means that the plan has calls."""
    said = desk.run(*words)
    assert said.code == 64
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--project", "nowhere.yaml", "plan"], "nowhere.yaml"),
        (["--api-url", "http://example.com", "plan"], "https"),
        (["--api-url", "ftp://127.0.0.1", "plan"], "https"),
        (["--ledger", "mysql://u:sekret@h/d", "plan"], "ledger"),
        (["plan", "nowhere"], "nowhere"),
        (["plan", "--max-credits", "lots"], "--max-credits"),
        (["plan", "--max-cells", "NaN"], "--max-cells"),
        (["plan", "--out", "no/such/folder/plan.json"], "plan.json"),
        (["apply", "--no-wait", "--plan", "nowhere.json"], "nowhere.json"),
        (["ledger", "show", "abcdef"], "abcdef"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_bad_settings_are_errors_that_say_where(desk: Desk, flags: list[str], words: str) -> None:
    """The message names the setting, never a password, and nothing is bought."""
    said = desk.run(*flags)
    assert said.code == 1
    assert words in said.err
    assert "sekret" not in said.err
    assert "Traceback" not in said.err
    assert desk.posts() == []
