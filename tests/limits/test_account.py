"""The account that pays: its balance, its organization and its plan, at plan and at apply."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from tests.journey.desk import FILL, Desk, accounts, row_id

ADesk = Callable[[dict[str, Any]], Desk]
HEAD = "apiVersion: reconciler/v1\nkind: Project\nspec:\n"


@pytest.fixture
def a_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[ADesk]:
    """Return a function that sets up a desk, with 8 cells due, in a workspace with the settings given."""
    with ExitStack() as stack:

        def make(workspace: dict[str, Any]) -> Desk:
            simulator = stack.enter_context(serve({**workspace, "tables": [accounts()]}, clock=ManualClock()))
            desk = Desk(tmp_path, simulator, capsys)
            desk.write(FILL)
            return desk

        yield make


def refusal(desk: Desk, rule: str) -> str:
    """See that plan and apply refuse by one rule, with the same words and nothing sent; return the words."""
    plan = desk.run("plan", "--format", "json")
    assert plan.code == 3, plan.err
    assert [each["rule"] for each in plan.json["violations"]] == [rule]
    message = str(plan.json["violations"][0]["message"])
    said = desk.run("plan").out
    assert message in said
    assert "to be raised by whoever " in said
    applied = desk.run("apply", "--yes", "--no-wait")
    assert (applied.code, message in applied.err) == (3, True), applied.err
    assert desk.posts() == []
    return message


def account_requests(desk: Desk) -> list[str]:
    """Return the requests for the account so far."""
    return [path for _, path, _ in desk.simulator.requests() if path in ("/v1/user", "/v1/billing")]


@pytest.mark.parametrize(("available", "left"), [(8, 0), (10, 2)])
def test_the_plan_says_what_is_left(a_desk: ADesk, available: int, left: int) -> None:
    """In text, Markdown and JSON, from one question; what is just enough passes."""
    desk = a_desk({"billing": {"credits": available}})
    plan = desk.run("plan", "--format", "json")
    assert plan.code == 0, plan.err
    assert plan.json["balance"] == {
        "organization": plan.json["balance"]["organization"],
        "available": available,
        "after": left,
        "unlimited": False,
        "source": "user",
    }
    assert account_requests(desk) == ["/v1/user"]
    words = f"It costs 8 of {available} credits, {left} left."
    assert words in desk.run("plan").out
    assert words in desk.run("plan", "--format", "markdown").out
    assert desk.run("apply", "--yes", "--no-wait").code == 0


def test_unlimited_credits_say_so(a_desk: ADesk) -> None:
    """And pass every limit on what must be left."""
    desk = a_desk({})
    desk.write(f"{HEAD}  limits: {{min_balance: 500}}\n", name="reconciler.yaml")
    plan = desk.run("plan")
    assert (plan.code, "balance unlimited" in plan.out) == (0, True), plan.out


def test_a_plan_dearer_than_the_balance_is_refused(a_desk: ADesk) -> None:
    """Without any limit: the API would stop half way."""
    assert refusal(a_desk({"billing": {"credits": 7}}), "balance") == "8 credits are due and the account has 7"


@pytest.mark.parametrize(("least", "code"), [(2, 0), (2.5, 3)])
def test_some_credits_must_be_left(a_desk: ADesk, least: float, code: int) -> None:
    """Exactly as many as the limit says are enough."""
    desk = a_desk({"billing": {"credits": 10}})
    desk.write(f"{HEAD}  limits: {{min_balance: {least}}}\n", name="reconciler.yaml")
    if code:
        assert refusal(desk, "min_balance") == "2 credits would be left and 2.5 must be"
    else:
        assert desk.run("apply", "--yes", "--no-wait").code == 0


def test_an_unknown_price_leaves_an_unknown_rest(a_desk: ADesk) -> None:
    """Which is refused only where the limit depends on it."""
    workspace: dict[str, Any] = {"billing": {"credits": 1000}}
    desk = a_desk(workspace)
    desk.write(f"{HEAD}  prices: {{kinds: {{agent: 1}}}}\n  limits: {{min_balance: 2}}\n", name="reconciler.yaml")
    assert desk.run("plan").code == 0


def test_a_balance_that_cannot_be_read_is_refused_only_by_the_limit_that_needs_it(a_desk: ADesk) -> None:
    """Both endpoints fail: the plan says that the balance is unknown, and an apply goes on without the limit."""
    desk = a_desk({"billing": {"credits": 10}})
    for path in ("/v1/user", "/v1/billing"):
        desk.simulator.fault("status", path=path, status=404)
    assert "The account's balance is unknown." in desk.run("plan").out
    desk.write(f"{HEAD}  limits: {{min_balance: 1}}\n", name="reconciler.yaml")
    assert "the balance is unknown" in refusal(desk, "min_balance")
    desk.write(f"{HEAD}  limits: {{}}\n", name="reconciler.yaml")
    assert desk.run("apply", "--yes", "--no-wait").code == 0


def test_billing_says_what_the_user_does_not(a_desk: ADesk) -> None:
    """Wherever in its body the credits are."""
    desk = a_desk({"billing": {"credits": 10}, "assumptions": {"credits_in": "subscription"}})
    desk.simulator.fault("status", path="/v1/user", status=404)
    plan = desk.run("plan", "--format", "json")
    assert (plan.json["balance"]["available"], plan.json["balance"]["source"]) == (10, "billing")


ORGANIZATION = "cbb86513-5659-4c37-b7a9-a40e87487c6a"


@pytest.mark.parametrize("wanted", ["acme", ORGANIZATION, ORGANIZATION.upper(), "other"])
def test_the_organization_is_pinned(a_desk: ADesk, wanted: str) -> None:
    """By slug or id, whose letters have no case: another organization's token buys nothing."""
    desk = a_desk({"billing": {"credits": 10, "organization_slug": "acme"}})
    desk.write(f"{HEAD}  workspace: {{organization: {wanted}}}\n", name="reconciler.yaml")
    if wanted != "other":
        assert desk.run("apply", "--yes", "--no-wait").code == 0
    else:
        message = "the token belongs to the organization `acme`, and this project to `other`"
        assert refusal(desk, "organization") == message


def test_a_change_cannot_unpin_the_organization(a_desk: ADesk) -> None:
    """The base's organization and floor bind, whatever the change says."""
    desk = a_desk({"billing": {"credits": 10, "organization_slug": "acme"}})
    desk.write(f"{HEAD}  workspace: {{organization: acme}}\n", name="reconciler.yaml")
    base = desk.folder / "base"
    base.mkdir()
    (base / "reconciler.yaml").write_text(f"{HEAD}  workspace: {{organization: other}}\n  limits: {{min_balance: 5}}\n")
    plan = desk.run("plan", "--limits-from", "./base", "--format", "json")
    assert plan.code == 3
    assert {each["rule"] for each in plan.json["violations"]} == {"organization", "min_balance"}
    assert desk.run("apply", "--yes", "--no-wait", "--limits-from", "./base").code == 3
    assert desk.posts() == []


def test_a_plan_gate_is_found_before_the_first_call(a_desk: ADesk) -> None:
    """Without a paid plan the API answers 402 to every run call."""
    billing = {"credits": 10, "organization_is_active": False, "requires_subscription": True, "plan_tier": "free"}
    assert "plan_required" in refusal(a_desk({"billing": billing}), "plan_required")


@pytest.mark.parametrize("balance", [0, 1])
def test_nothing_due_passes_whatever_is_left(a_desk: ADesk, balance: int) -> None:
    """Also where the account is asked because of its organization: a low balance bars only what costs."""
    desk = a_desk({"billing": {"credits": 8, "organization_slug": "acme"}})
    desk.write(f"{HEAD}  workspace: {{organization: acme}}\n", name="reconciler.yaml")
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    desk.simulator.fault("credits", balance=balance)
    desk.write(f"{HEAD}  workspace: {{organization: acme}}\n  limits: {{min_balance: 3}}\n", name="reconciler.yaml")
    said = desk.run("plan", "--format", "json")
    assert (said.code, said.json["violations"], said.json["balance"]["available"]) == (0, [], balance)
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.write(FILL.replace("mode: new", "mode: all\n      revision: r1"))
    assert desk.run("plan").code == 3


def test_a_refusal_with_nothing_due_is_explained(a_desk: ADesk) -> None:
    """Another organization's token, and no cell to buy: exit 3 is not the answer of a plan that says nothing of it."""
    desk = a_desk({"billing": {"credits": 10, "organization_slug": "acme"}})
    desk.write(FILL.replace("mode: new", f"mode: new\n      rows: [{row_id(1)}]"))
    desk.write(f"{HEAD}  workspace: {{organization: other}}\n", name="reconciler.yaml")
    said = desk.run("plan", "--target", "*/fill")
    assert (said.code, said.out.startswith("Nothing to do")) == (3, True), said.out
    assert "An apply would be refused before anything is sent:" in said.out
    assert "this project to `other`" in said.out
    assert said.out.endswith("Use a token of that organization, or have the pin changed where it is set.\n")
    assert "Narrow the plan" not in said.out + desk.run("apply", "--yes").err


def test_a_missing_account_is_not_called_a_table(a_desk: ADesk) -> None:
    """Where the limit depends on it, the reason names the request; both lines of the hint are indented alike."""
    desk = a_desk({"billing": {"credits": 10}})
    for path in ("/v1/user", "/v1/billing"):
        desk.simulator.fault("status", path=path, status=404)
    desk.write(f"{HEAD}  limits: {{min_balance: 1}}\n", name="reconciler.yaml")
    message = refusal(desk, "min_balance")
    assert "what must be left, 1 credit, cannot be checked (GET /v1/user: 404, the API has nothing there" in message
    hint = desk.run("apply", "--yes").err.splitlines()[-2:]
    assert [line[:2] for line in hint] == ["  ", "  "]


def test_nothing_due_asks_nothing(a_desk: ADesk) -> None:
    """The account matters once something costs."""
    desk = a_desk({})
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    before = len(account_requests(desk))
    assert desk.run("plan").code == 0
    assert len(account_requests(desk)) in (before, before + 1)
