"""`--verbose`: where each setting is from, and what reading cost."""

import json

import pytest

from tests.journey.desk import Desk


@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes", "--no-wait")])
def test_every_setting_is_named_with_its_origin(desk: Desk, command: tuple[str, ...]) -> None:
    """Flags, variables, the project file and defaults, each as it was used."""
    file = desk.write("apiVersion: reconciler/v1\nkind: Project\nspec:\n  limits: {max_cells: 90}\n", "reconciler.yaml")
    desk.extra = {"SSL_CERT_FILE": "/dev/null"}
    said = desk.run("-v", *command, "--max-credits", "80")
    assert said.err.splitlines()[:7] == [
        f"project: {file.resolve()}, from the nearest folder that has one",
        "ledger: .reconciler/ledger.db (not there yet), from the default",
        f"API: {desk.simulator.url}, from EXTRUCT_API_URL",
        "API's proxy: none, from the default, or NO_PROXY",
        "certificates: /dev/null, from SSL_CERT_FILE",
        "max_credits: 80, from --max-credits",
        "max_cells: 90, from reconciler.yaml:4 (spec.limits.max_cells)",
    ]
    named = desk.run("-v", *command, "--ledger", "other.db", "--project", "reconciler.yaml")
    assert named.err.splitlines()[:2] == [
        f"project: {file.resolve()}, from --project",
        "ledger: other.db (not there yet), from --ledger",
    ]


def test_a_password_is_not_named(desk: Desk) -> None:
    """Of the ledger or of an address of the API that is about to be refused."""
    said = desk.run("-v", "plan", "--ledger", "postgresql://me:secret@127.0.0.1:1/db")
    assert "ledger: postgresql://" in said.err
    assert "secret" not in said.err
    said = desk.run("-v", "plan", "--api-url", "https://me:secret@example.org")
    assert "API: example.org, from --api-url" in said.err
    assert "secret" not in said.err


@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes", "--no-wait")])
def test_what_reading_cost_is_said(desk: Desk, command: tuple[str, ...]) -> None:
    """As many GETs as the API saw, and nothing of it without the option."""
    assert "GETs" not in desk.run("plan").err
    before = len(desk.simulator.requests())
    said = desk.run("--log-format", "json", "-v", *command)
    lines = [json.loads(line) for line in said.err.splitlines()]
    (cost,) = (line for line in lines if "received_bytes" in line)
    gets = [method for method, *_ in desk.simulator.requests()[before:] if method == "GET"]
    assert (cost["level"], cost["requests"]) == ("debug", len(gets))
    assert cost["message"].startswith(f"Read {cost['received_bytes']:,} bytes with {len(gets)} GETs over ")
    assert {line["setting"]: line["source"] for line in lines if "setting" in line}["API"] == "EXTRUCT_API_URL"
