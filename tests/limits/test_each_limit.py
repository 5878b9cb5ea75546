"""Every kind of limit: what passes, what does not, and the whole of what is said."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconciler.model.limits import BaseLimits, Cap, Limit, Limits, Prices, Rule
from reconciler.model.manifest import Mode
from reconciler.model.plan import Plan
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import make_plan
from reconciler.spending.limits_check import check_limits, effective_limits, violations
from tests.planning.tables_and_manifests import TABLE, a_column, a_manifest, a_run, a_table, column_id, plan_settings

OTHER = "5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50"


def limit(value: str, path: str, contact: str = "") -> Limit:
    """Return a limit of the project file."""
    return Limit(Decimal(value), f"reconciler.yaml:9 ({path})", contact)


def rule(*allowed: str, path: str = "modes.all", contact: str = "") -> Rule:
    """Return a rule of the project file."""
    return Rule(allowed, f"reconciler.yaml:9 (spec.limits.{path})", contact)


def a_plan(kind: str = "agent", **labels: str) -> Plan:
    """Plan two tables: 3 empty and 1 failed cell, and 2 done cells that `all` runs again with an empty one."""
    first = replace(a_manifest(a_run(Mode.NEW), a_run(Mode.FAILED, name="retry")), labels=labels or {"team": "gtm"})
    second = a_manifest(a_run(Mode.ALL, name="refresh"), name="partners", table=OTHER)
    tables = {
        TABLE: a_table([a_column(1, key="news", kind=kind), a_column(2, key="notes", kind=kind)], ["..df", "d.dd"]),
        OTHER: a_table([a_column(3, key="site")], ["dd."], table=OTHER),
    }
    return make_plan(PlanInputs([first, second], tables, {}, plan_settings(prices=Prices(kinds={"agent": Decimal(1)}))))


def told(message: str, rule: str, path: str, who: str = "whoever may change that file") -> str:
    """Return what a message should be, in full."""
    return f"{message}\n  {rule}, set in reconciler.yaml:9 ({path}); to be raised by {who}"


def said(plan: Plan, limits: Limits) -> list[str]:
    """Return what is said of each violation, in full."""
    return [f"{found.message}\n  {found.set_by}" for found in violations(plan, limits)]


def test_the_plan_of_these_tests() -> None:
    """Seven cells in two tables, three of which ran before."""
    assert a_plan().totals().cells == 7
    assert violations(a_plan(), Limits()) == ()


def test_cells_and_credits_of_an_apply() -> None:
    """The sums over the whole plan."""
    limits = Limits(limit("6.5", "spec.limits.max_credits"), limit("6", "spec.limits.max_cells", "the platform team"))
    assert said(a_plan(), limits) == [
        told("7 cells are due and the limit is 6", "max_cells", "spec.limits.max_cells", "the platform team"),
        told("7 credits are due and the limit is 6.5", "max_credits", "spec.limits.max_credits"),
    ]


def test_cells_and_credits_of_each_table() -> None:
    """A table's own limit is stronger than that of every table, key by key."""
    limits = Limits(
        per_table=Cap(limit("3", "per_table.max_credits"), limit("3", "per_table.max_cells")),
        tables={OTHER: Cap(max_credits=limit("2", "tables.max_credits")), TABLE: Cap(max_cells=limit("4", "more"))},
    )
    assert said(a_plan(), limits) == [
        told(
            f"table {TABLE} (`accounts`): 4 credits are due and the limit is 3",
            "per_table.max_credits",
            "per_table.max_credits",
        ),
        told(
            f"table {OTHER} (`partners`): 3 credits are due and the limit is 2",
            "per_table.max_credits",
            "tables.max_credits",
        ),
    ]


def test_cells_and_credits_of_a_label() -> None:
    """All manifests that carry it count together; others do not."""
    cap = Cap(limit("3", "a", "gtm-leads"), limit("3", "b", "gtm-leads"))
    limits = Limits(per_label={"team=gtm": cap, "team=ops": cap})
    assert said(a_plan(), limits) == [
        told("team=gtm: 4 cells are due and the limit is 3", "per_label.max_cells", "b", "gtm-leads"),
        told("team=gtm: 4 credits are due and the limit is 3", "per_label.max_credits", "a", "gtm-leads"),
    ]
    assert said(a_plan(), Limits(per_label={"team=gtm": Cap(limit("4", "a"), limit("4", "b"))})) == []


@pytest.mark.parametrize(
    ("allowed", "words"),
    [((), "for no manifest"), (("tier=cheap", "team=ops"), "only for manifests labelled tier=cheap or team=ops")],
)
def test_modes_allowed_per_label(allowed: tuple[str, ...], words: str) -> None:
    """A manifest without one of the labels may not use the mode at all."""
    limits = Limits(modes={Mode.NEW: rule(*allowed, path="modes.new")})
    assert said(a_plan(), limits) == [
        told(
            f"`accounts/new` runs 3 cells with mode `new`, which is allowed {words}", "modes", "spec.limits.modes.new"
        ),
    ]
    assert said(a_plan(), Limits(modes={Mode.NEW: rule("team=gtm")})) == []


def test_columns_protected_from_rerun() -> None:
    """By key or id; a cell that never ran may run, and one that failed ran."""
    limits = Limits(protected={"site": rule(path="protected_columns[0]"), column_id(1): rule(path="p", contact="ana")})
    assert said(a_plan(), limits) == [
        told(
            f"column `{column_id(1)}` is protected, and `accounts/retry` would run 1 cell of it again",
            "protected_columns",
            "spec.limits.p",
            "ana",
        ),
        told(
            "column `site` is protected, and `partners/refresh` would run 2 cells of it again",
            "protected_columns",
            "spec.limits.protected_columns[0]",
        ),
    ]
    assert said(a_plan(), Limits(protected={"notes": rule()})) == []


def test_the_share_of_a_table_that_one_apply_may_run_again() -> None:
    """Of the cells of all its output columns; cells that never ran do not count."""
    limits = Limits(per_table=Cap(max_rerun_share=limit("0.125", "spec.limits.max_rerun_share")))
    assert said(a_plan(), limits) == [
        told(
            f"table {OTHER} (`partners`): 2 of its 3 cells (66.67 %) would be run again and the limit is 12.5 %",
            "max_rerun_share",
            "spec.limits.max_rerun_share",
        ),
    ]
    assert said(a_plan(), Limits(tables={TABLE: Cap(max_rerun_share=limit("0.1249", "x"))}))[0].startswith(
        f"table {TABLE} (`accounts`): 1 of its 8 cells (12.5 %) would be run again and the limit is 12.49 %"
    )


@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_credits=limit("1000", "x")),
        Limits(per_table=Cap(max_credits=limit("1000", "x"))),
        Limits(tables={TABLE: Cap(max_credits=limit("1000", "x"))}),
        Limits(per_label={"team=gtm": Cap(max_credits=limit("1000", "x"))}),
    ],
)
def test_a_limit_on_credits_never_passes_an_unknown_price(limits: Limits) -> None:
    """Whichever it is and however high, and it says how many cells nobody can price."""
    assert violations(a_plan(), limits) == ()
    (found, *_) = violations(a_plan(kind="phone_finder"), limits)
    assert "4 cells have no known price, so the limit of 1,000 credits cannot be checked: `" in found.message
    assert (found.number, found.limit) == (None, Decimal(1000))


def test_the_source_says_who_can_raise_a_limit() -> None:
    """Where nobody wrote a contact."""
    plan = a_plan()
    for source, who in [
        ("--max-cells", "whoever runs this command"),
        ("RECONCILER_MAX_CELLS", "whoever sets that variable"),
        ("reconciler.yaml:3 (spec.limits.max_cells)", "whoever may change that file"),
    ]:
        (found,) = violations(plan, Limits(max_cells=Limit(Decimal(1), source)))
        assert (found.raised_by, found.number, found.limit) == (who, Decimal(7), Decimal(1))


BASE = Limits(max_credits=Limit(Decimal(6), "main:reconciler.yaml:4 (spec.limits.max_credits)"))
CHEAP = Prices(kinds={"agent": Decimal("0.01")})
FAIR = Prices(kinds={"agent": Decimal(1)})


def messages(plan: Plan, base: BaseLimits, limits: Limits | None = None) -> list[str]:
    """Return what is said where a plan is held to a base too."""
    return [found.message for found in check_limits(plan, limits or Limits(), base)]


def test_a_change_cannot_raise_its_own_limit() -> None:
    """The base's limit holds besides its own; a lower one of its own holds too."""
    assert messages(a_plan(), BaseLimits(BASE, (FAIR, FAIR)), Limits(max_credits=limit("500", "x"))) == [
        "7 credits are due and the limit is 6"
    ]
    assert messages(a_plan(), BaseLimits(BASE, (FAIR, FAIR)), Limits(max_cells=limit("5", "x"))) == [
        "7 credits are due and the limit is 6",
        "7 cells are due and the limit is 5",
    ]
    assert effective_limits(Limits(max_credits=limit("500", "x")), BaseLimits(BASE, ())).max_credits == BASE.max_credits
    assert effective_limits(Limits(max_credits=limit("5", "x")), BaseLimits(BASE, ())).max_credits == limit("5", "x")
    assert effective_limits(Limits(), BaseLimits(BASE, ())).max_credits == BASE.max_credits
    assert effective_limits(BASE, None) == BASE


def test_a_change_cannot_lower_its_own_prices() -> None:
    """A cell counts with the highest of its prices, and with none where either has none."""
    assert messages(a_plan(), BaseLimits(BASE, (FAIR, CHEAP))) == ["7 credits are due and the limit is 6"]
    assert messages(a_plan(), BaseLimits(BASE, (CHEAP, FAIR))) == ["7 credits are due and the limit is 6"]
    assert messages(a_plan(), BaseLimits(BASE, (CHEAP, CHEAP))) == []
    unknown = (
        "4 cells have no known price, so the limit of 6 credits cannot be checked: `news` of kind `phone_finder`, "
        "`notes` of kind `phone_finder`; under `spec.prices.kinds` of reconciler.yaml add what a cell costs: "
        "`phone_finder: …`"
    )
    assert messages(a_plan(kind="phone_finder"), BaseLimits(BASE, (FAIR, Prices(default=Decimal(0))))) == [unknown]


def test_each_cell_counts_with_the_higher_price_not_each_call() -> None:
    """Two columns of one call, each dearer in another list: nobody gets the lower of both."""
    one = Prices(columns={"news": Decimal(3), "notes": Decimal(1)})
    other = Prices(columns={"news": Decimal(1), "notes": Decimal(3)})
    table = a_table([a_column(1, key="news"), a_column(2, key="notes")], ["..", ".."])
    plan = make_plan(PlanInputs([a_manifest(a_run(Mode.NEW))], {TABLE: table}, {}, plan_settings(prices=one)))
    assert messages(plan, BaseLimits(BASE, (one, other))) == ["12 credits are due and the limit is 6"]


def test_a_change_cannot_drop_a_label_that_is_limited() -> None:
    """What the base gives to a manifest's name or table counts on."""
    limits = Limits(per_label={"team=gtm": Cap(max_cells=limit("3", "x"))})
    at_base = (replace(a_manifest(a_run(Mode.NEW)), labels={"team": "gtm"}),)
    moved = (replace(a_manifest(a_run(Mode.NEW), table=TABLE.replace("0", "1")), labels={"team": "gtm"}),)
    plan = a_plan(team="other")
    assert messages(plan, BaseLimits(limits, (FAIR,))) == []
    for base in (at_base, moved):
        assert "team=gtm: 4 cells are due and the limit is 3" in messages(plan, BaseLimits(limits, (FAIR,), base))


def test_a_change_cannot_grant_itself_a_mode() -> None:
    """A label allows a mode only where the base gives it too; a table new to the base is granted nothing."""
    limits = Limits(modes={Mode.NEW: rule("tier=cheap")})
    refused = "`accounts/new` runs 3 cells with mode `new`, which is allowed only for manifests labelled tier=cheap"
    cheap = replace(a_manifest(a_run(Mode.NEW)), labels={"tier": "cheap"})
    assert messages(a_plan(tier="cheap"), BaseLimits(limits, (FAIR,), (cheap,))) == []
    assert messages(a_plan(tier="cheap"), BaseLimits(limits, (FAIR,), (replace(cheap, name="before"),))) == []
    assert messages(a_plan(tier="cheap"), BaseLimits(limits, (FAIR,), (replace(cheap, labels={}),))) == [refused]
    assert messages(a_plan(tier="cheap"), BaseLimits(limits, (FAIR,), ())) == [refused]
    assert messages(a_plan(tier="dear"), BaseLimits(limits, (FAIR,), (cheap,))) == [refused]


def test_labels_that_nobody_can_tell_refuse() -> None:
    """Where the base's manifests are not valid, what goes by labels cannot be checked and does not pass."""
    limits = Limits(
        per_label={"team=x": Cap(max_cells=limit("100", "x"))}, modes={Mode.NEW: rule("team=gtm"), Mode.ALL: rule()}
    )
    assert messages(a_plan(), BaseLimits(limits, (FAIR,), (), "the manifests at main are not valid")) == [
        "team=x: the manifests at main are not valid, so this limit cannot be checked",
        "accounts/new: the manifests at main are not valid, so this limit cannot be checked",
        "`partners/refresh` runs 3 cells with mode `all`, which is allowed for no manifest",
    ]


def test_an_empty_plan_is_within_every_limit() -> None:
    """Also within those that could not be checked."""
    base = BaseLimits(Limits(per_label={"team=x": Cap(max_cells=limit("0", "x"))}), (), (), "they are not valid")
    assert check_limits(Plan(""), base.limits, base) == ()
