"""A plan file read back: checked, then used as an approval, which only ever shrinks; other changes make it stale."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from reconciler.documents import strict_json
from reconciler.documents.plan_file import plan_id
from reconciler.documents.strict_json import AmbiguousJsonError
from reconciler.errors import StalePlan
from reconciler.model.history import Block
from reconciler.model.limits import Prices
from reconciler.model.manifest import Manifest, Mode
from reconciler.model.observed import Column, TableSnapshot
from reconciler.model.plan import Plan
from reconciler.spending.approval import Approval
from reconciler.text.codes import Code
from reconciler.text.digest import digest
from reconciler.text.numbers import amount, duration
from reconciler.text.sanitize import one_line

AGAIN = "Make a new plan and have it approved."
_MOST_NAMED = 10
MOST_SKEW_SECONDS = 60.0
"""The tolerated difference between the clocks of two synchronised machines."""


@dataclass(frozen=True, slots=True)
class SavedCall:
    """A call of a plan file."""

    address: str
    table_id: str
    mode: Mode
    revision: str | None
    due: tuple[Block, ...]
    configs: Mapping[str, str]
    """Column id → `config_digest` when the plan was made."""
    prices: Mapping[str, Decimal | None]
    """Column id → credits for one of its cells."""

    @property
    def manifest(self) -> str:
        """The manifest's name."""
        return self.address.partition("/")[0]


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan file whose content matches its `plan_id`."""

    plan_id: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    manifest_digests: Mapping[str, str]
    """Name → digest of each manifest that may buy something."""
    base_url: str
    calls: tuple[SavedCall, ...]
    taken_at: str | None = None
    """When the live tables were read, if the plan was made from a snapshot of them."""
    age_seconds: float = 0.0
    """Between reading the live tables and reading the file."""
    ledger_id: str = ""
    """The ledger it was made with; empty if there was none."""
    growth: Mapping[str, tuple[int, Decimal | None]] = field(default_factory=dict)
    """Manifest → how many cells may fall due while the plan is applied, and their maximum cost; None is any price."""

    def approval(self, stale: Collection[str] = ()) -> Approval:
        """Return the cells that the file approves, except those of the manifests named in `stale`."""
        return Approval.of_blocks(
            (
                (call.table_id, call.mode, call.revision, block)
                for call in self.calls
                if call.manifest not in stale
                for block in call.due
            ),
            self.age_seconds,
        )

    def held(self, plan: Plan) -> Plan:
        """Return a plan made now, with its growth limited to what the file allows: approval only ever shrinks."""
        found = []
        for growth in plan.growth:
            cells, price = self.growth.get(growth.manifest, (0, None))
            prices = [each for each in (price, growth.max_credits) if each is not None]
            cells = cells if growth.max_cells is None else min(cells, growth.max_cells)
            found.append(replace(growth, max_cells=cells, max_credits=min(prices, default=None)))
        return replace(plan, growth=tuple(found))

    def changed(self, manifests: Iterable[Manifest]) -> dict[str, str]:
        """Return the manifests that changed since the plan was made (modes, rows, labels …), each with why.

        `manifests` are those selected now, as written.
        """
        now = {manifest.name: digest(manifest.content()) for manifest in manifests}
        return {
            name: f"`{one_line(name)}` {'changed' if name in now else 'is gone'} since the plan was made"
            for name, then in self.manifest_digests.items()
            if now.get(name) != then
        }

    def check_origin(self, base_url: str) -> None:
        """Raise StalePlan unless the plan was made against this API."""
        if base_url.rstrip("/") != self.base_url.rstrip("/"):
            theirs, ours = one_line(self.base_url), one_line(base_url)
            raise StalePlan(
                f"the plan was made against {theirs}, and this is {ours}; nothing was sent",
                hint=AGAIN,
                code=Code.OTHER_PLACE,
            )

    def check_ledger(self, ledger_id: str) -> None:
        """Raise StalePlan unless this ledger made the plan: no other knows what was bought under it."""
        if self.ledger_id and ledger_id != self.ledger_id:
            message = (
                "the plan was made with another ledger, which alone knows what was bought under it; nothing was sent"
            )
            raise StalePlan(
                message, hint=f"Name that ledger (--ledger, RECONCILER_LEDGER). Or: {AGAIN}", code=Code.OTHER_PLACE
            )

    def relocated(self, found: Iterable[Manifest], unread: Collection[str]) -> dict[str, str]:
        """Return the manifests that no longer name the table that a call was approved for, each with why.

        `found` are the manifests as resolved now. The tables of those in `unread` are unknown, which is an error of the
        plan, not proof that it is stale.
        """
        now: dict[str, list[str]] = {}
        for manifest in found:
            now.setdefault(manifest.name, []).append(manifest.table_id)
        moved: dict[str, str] = {}
        for call in self.calls:
            tables = now.get(call.manifest, [])
            if call.table_id not in tables and call.manifest not in unread:
                means = f"table {_listed(tables)}" if tables else "none"
                name = one_line(call.manifest)
                message = f"`{name}` meant table {call.table_id} when the plan was made, and now means {means}"
                moved.setdefault(call.manifest, message)
        return moved

    def reconfigured(self, snapshots: Mapping[str, TableSnapshot], prices: Prices) -> dict[str, str]:
        """Return the manifests with a column whose configuration or price is not the approved one, each with why."""
        found: dict[str, str] = {}
        for call in self.calls:
            snapshot = snapshots.get(call.table_id)
            if snapshot is not None and call.manifest not in found:
                columns = {column.id: column for column in snapshot.columns}
                reason = _column_change(call, columns) or _price_change(call, columns, prices)
                if reason:
                    found[call.manifest] = reason
        return found


def _listed(tables: Sequence[str]) -> str:
    more = len(tables) - _MOST_NAMED
    return ", ".join(tables[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _column_change(call: SavedCall, columns: Mapping[str, Column]) -> str:
    for column, config in call.configs.items():
        found = columns.get(column)
        where = f"of {one_line(call.address)} (table {call.table_id})"
        if found is None:
            return f"column {column} {where} is gone since the plan was made"
        if found.config_digest != config:
            name = one_line(found.key)
            return f"the configuration of column `{name}` {where} changed since the plan was made"
    return ""


def _price_change(call: SavedCall, columns: Mapping[str, Column], prices: Prices) -> str:
    for column, then in call.prices.items():
        found = columns[column]
        now = prices.of(found.kind, found.key, column)
        if now != then:
            was, is_ = ("unknown" if value is None else amount(value) for value in (then, now))
            where = f"column `{one_line(found.key)}` of {one_line(call.address)}"
            return f"the price of {where} changed from {was} to {is_} credits a cell since the plan was made"
    return ""


def check_id(content: Any) -> None:
    """Raise StalePlan unless a plan file's content, already checked against its schema, matches its id."""
    if content["plan_id"] != plan_id(content):
        raise StalePlan(
            "the plan file was edited: its plan_id is not the digest of its content",
            hint=AGAIN,
            code=Code.PLAN_FILE_NOT_UNDERSTOOD,
        )


def check_plan(content: Any, now: datetime, max_age_seconds: float) -> SavedPlan:
    """Return the plan that a plan file's JSON holds; the caller has checked it against `schemas/plan.v1.json`
    and its own id.

    Raises StalePlan for a file that has errors, exceeds a limit, is dated in the future, or is older than
    `max_age_seconds` at `now`.
    """
    saved = check_head(content, now, max_age_seconds)
    return replace(saved, calls=tuple(map(saved_call, content["calls"])))


def check_head(content: Any, now: datetime, max_age_seconds: float) -> SavedPlan:
    """Do the same for all but the calls, of which the plan returned has none: there may be more than memory holds."""
    if content["errored"]:
        raise StalePlan(
            "the plan file has errors and cannot be applied",
            hint="Fix what it reports and plan again.",
            code=Code.ERRORED_PLAN,
        )
    if content["violations"]:
        message = (
            f"the plan file exceeds a limit, so it approves nothing: {one_line(content['violations'][0]['message'])}"
        )
        raise StalePlan(
            message,
            hint="Narrow the plan or raise the limit where it is set, then plan again.",
            code=Code.LIMIT_EXCEEDED,
        )
    if len(content["calls"]) and not content.get("manifest_digests"):
        raise _too_old()
    age = _checked_age("the plan", content["created_at"], now, max_age_seconds)
    taken_at = content["live"]["taken_at"] if "live" in content else None
    if taken_at is not None:
        age = _checked_age("the snapshot that the plan was made from", taken_at, now, max_age_seconds)
    return SavedPlan(
        plan_id=content["plan_id"],
        include=tuple(content["targeted"]["include"]),
        exclude=tuple(content["targeted"]["exclude"]),
        manifest_digests=content.get("manifest_digests", {}),
        base_url=content["api"]["base_url"],
        calls=(),
        taken_at=taken_at,
        age_seconds=max(0.0, age),
        ledger_id=content["ledger"]["id"] if "ledger" in content else "",
        growth={
            each["manifest"]: (each["max_cells"] or 0, _decimal(each["max_credits"]))
            for each in content.get("growth", ())
        },
    )


def _decimal(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def _checked_age(what: str, created_at: str, now: datetime, max_age_seconds: float) -> float:
    try:
        age = (now - datetime.fromisoformat(created_at)).total_seconds()
    except (ValueError, TypeError):
        raise StalePlan(
            "the plan file does not say when it was made", hint=AGAIN, code=Code.PLAN_FILE_NOT_UNDERSTOOD
        ) from None
    if age < -MOST_SKEW_SECONDS:
        message = f"{what} is dated {duration(-age)} in the future; nothing was sent"
        raise StalePlan(message, hint=f"Check this machine's clock. {AGAIN}", code=Code.PLAN_FILE_AGE)
    if age > max_age_seconds:
        message = f"{what} is {duration(age)} old, and at most {duration(max_age_seconds)} are allowed"
        raise StalePlan(
            f"{message}; nothing was sent", hint="Plan again, or raise --plan-max-age.", code=Code.PLAN_FILE_AGE
        )
    return age


def _too_old() -> StalePlan:
    message = "the plan file was made by an older version, which does not name what it approves"
    return StalePlan(message, hint=AGAIN, code=Code.PLAN_FILE_NOT_UNDERSTOOD)


def saved_call(content: Mapping[str, Any]) -> SavedCall:
    """Return a call of a plan file. Raises StalePlan if it contradicts itself or names no prices."""
    if "prices" not in content:
        raise _too_old()
    whole: Sequence[Mapping[str, Any]] = [{"columns": content["columns"], "rows": content["rows"]}]
    columns, digests = content["columns"], content["column_digests"]
    due = content.get("due", whole)
    if (
        len(columns) != len(digests)
        or len(columns) != len(content["column_keys"])
        or any(not set(block["columns"]) <= set(columns) for block in due)
    ):
        raise StalePlan(
            f"the plan file is not understood: its call {content['id']} contradicts itself",
            hint=AGAIN,
            code=Code.PLAN_FILE_NOT_UNDERSTOOD,
        )
    return SavedCall(
        address=content["address"],
        table_id=content["table_id"],
        mode=Mode(content["mode"]),
        revision=content["revision"],
        due=tuple(Block(tuple(block["columns"]), tuple(block["rows"])) for block in due),
        configs=dict(zip(columns, digests, strict=True)),
        prices={
            column: _decimal(content["prices"].get(key))
            for column, key in zip(columns, content["column_keys"], strict=True)
        },
    )


def parse(text: str) -> Any:
    """Return a plan file's JSON. Raises StalePlan if it is not JSON, or may be read in two ways."""
    try:
        return strict_json.parse(text)
    except ValueError as error:
        why = str(error) if isinstance(error, AmbiguousJsonError) else "it is not JSON"
        raise StalePlan(
            f"the plan file is not understood: {why}", hint=AGAIN, code=Code.PLAN_FILE_NOT_UNDERSTOOD
        ) from None
