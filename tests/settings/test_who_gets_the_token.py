"""Who gets the token: an address that a flag, the environment or the default names, never one that only a file does."""

from contextlib import chdir
from pathlib import Path

import pytest

from reconciler.errors import SettingsError
from reconciler.settings.settings import Flags, Settings, check_recipient, load_settings
from tests.journey.desk import Desk
from tests.settings.test_which_project import HEAD

ELSEWHERE = "https://collector.example"


def settled(folder: Path, url: str, environment: dict[str, str], **flags: str) -> Settings:
    """Return the settings where the project file names `url`."""
    (folder / "reconciler.yaml").write_text(f"{HEAD}spec: {{api: {{url: '{url}'}}}}\n")
    with chdir(folder):
        return load_settings(Flags(**flags), environment)


def test_an_address_that_only_the_project_file_names_gets_no_token(desk: Desk) -> None:
    """Nothing is sent, and the way out is said; `validate`, which needs no token, is content."""
    assert desk.run("plan", "--out", "plan.json").code == 0
    desk.write(f"{HEAD}spec: {{api: {{url: '{ELSEWHERE}'}}}}\n", "reconciler.yaml")
    desk.extra = {"EXTRUCT_API_URL": ""}
    for command in (
        *(["plan"], ["apply", "--yes", "--no-wait"], ["apply", "--yes", "--no-wait", "--max-cells", "0"]),
        *(["status"], ["drift"], ["import", "--all"], ["ledger", "adopt", "--as", "r1"]),
        ["snapshot", "--unsigned", "--out", "live.snapshot"],
    ):
        said = desk.run(*command)
        assert (said.code, "(spec.api.url)" in said.err, "EXTRUCT_API_URL" in said.err) == (1, True, True)
        assert desk.simulator.token not in said.err
    said = desk.run("apply", "--no-wait", "--plan", "plan.json")
    assert (said.code, "nothing was sent" in said.err) == (4, True), said.err
    assert desk.run("validate").code == 0


@pytest.mark.parametrize("url", ["https://api.extruct.ai.collector.example", "https://localhost.collector.example"])
def test_what_only_looks_like_a_known_address_is_not_one(url: str, tmp_path: Path) -> None:
    """The host as a whole counts."""
    with pytest.raises(SettingsError, match="token is not sent"):
        check_recipient(settled(tmp_path, url, {}))


@pytest.mark.parametrize(
    ("url", "environment", "flags"),
    [
        ("https://api.extruct.ai", {}, {}),
        ("https://API.extruct.ai/", {}, {}),
        ("http://127.0.0.1:8420", {}, {}),
        ("http://[::1]:8420", {}, {}),
        ("http://localhost:8420/base", {}, {}),
        (ELSEWHERE, {"EXTRUCT_API_URL": ELSEWHERE}, {}),
        (ELSEWHERE, {}, {"api_url": "https://other.example"}),
    ],
)
def test_an_address_that_a_person_confirms_gets_it(
    url: str, environment: dict[str, str], flags: dict[str, str], tmp_path: Path
) -> None:
    """The default, this machine, and what a person named."""
    check_recipient(settled(tmp_path, url, environment, **flags))
