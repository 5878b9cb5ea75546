"""The differences between two states of a project, in words.

deepdiff finds them, and only for text: it takes seconds where `==` takes milliseconds, so it sees only manifests that
differ, as mappings keyed by name (it treats a reordered list as changed values), and only as many as a person would
read. Rows are counted, never listed.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from reconciler.manifests.document import Document
from reconciler.model.change import Change, ChangeImpact
from reconciler.model.manifest import DEFAULT_MAX_ATTEMPTS, Manifest, Mode, NameAt, Refresh, Run
from reconciler.model.plan import Call, Cause, Totals, sums
from reconciler.text.digest import canonical_json
from reconciler.text.location import Diagnostic, Location
from reconciler.text.numbers import counted
from reconciler.text.phrases import path_text, quote
from reconciler.text.sanitize import one_line

MOST_CHANGES = 1000
"""The most changes listed; after these, changed manifests are only counted."""
MOST_PARTS = 20_000
"""The most names, columns and labels given to deepdiff in total: it takes about three seconds for them."""

Difference: TypeAlias = tuple[tuple[str | int, ...], object, object]
"""A path, and the old and the new value there."""


def add_up(ref: str, changes: Iterable[Change], calls: Sequence[Call], dropped: Sequence[Call]) -> ChangeImpact:
    """Add up a plan's calls by their cause."""
    caused = [call for call in calls if call.cause is Cause.CHANGE]
    anyway = [call for call in calls if call.cause is not Cause.CHANGE]
    return ChangeImpact(ref, tuple(changes), _sums(caused), _sums(anyway), _sums(dropped))


def _sums(calls: Sequence[Call]) -> Totals:
    return sums(len({call.table_id for call in calls}), calls)


def unreadable(ref: str, problems: Sequence[Diagnostic]) -> Change:
    """Return the change that says that nothing can be compared: every call then counts as caused."""
    first = problems[0]
    more = f" and {counted(len(problems) - 1, 'more problem')}" if len(problems) > 1 else ""
    said = f"the manifests at {ref} are not valid, so every call counts as caused by this change"
    return Change(None, f"{said}: {one_line(first.message)}{more}", first.location)


def lost(ref: str, problems: Sequence[Diagnostic]) -> tuple[Change, ...]:
    """Return a change that says that a base manifest's table is unknown, so its calls count as caused."""
    if not problems:
        return ()
    first = problems[0]
    more = f" and {counted(len(problems) - 1, 'more problem')}" if len(problems) > 1 else ""
    said = f"a table in the manifests at {ref} is not known, so its calls count as caused by this change"
    return (Change(None, f"{said}: {one_line(first.message)}{more}", first.location),)


def compare(base: Sequence[Manifest], here: Sequence[Manifest]) -> tuple[Change, ...]:
    """Return how the manifests `here` differ from those of the base, by address."""
    before = {manifest.name: manifest for manifest in base}
    now = {manifest.name: manifest for manifest in here}
    found = list(_come_and_gone(before, now))
    pairs = [(before[name], now[name]) for name in sorted(before.keys() & now.keys())]
    changed = [(old, new) for old, new in pairs if old.content() != new.content()]
    parts = 0
    for index, (old, new) in enumerate(changed):
        parts += _parts(old) + _parts(new)
        if parts > MOST_PARTS or len(found) > MOST_CHANGES:
            rest = [each.name for _, each in changed[index:]]
            text = f"{counted(len(rest), 'more manifest')} changed, too much to compare part by part"
            found.append(Change(rest[0], text, new.location))
            break
        found += _manifest_changes(old, new)
    return tuple(sorted(found, key=lambda change: (change.address or "", change.location)))


def _parts(manifest: Manifest) -> int:
    return len(manifest.labels) + sum(5 + len(run.columns or ()) for run in manifest.runs)


def _come_and_gone(before: Mapping[str, Manifest], now: Mapping[str, Manifest]) -> Iterator[Change]:
    """Yield the manifests that were added, removed or only renamed."""
    gone = {name: before[name] for name in sorted(before.keys() - now.keys())}
    come = {name: now[name] for name in sorted(now.keys() - before.keys())}
    by_content: dict[str, list[str]] = {}
    for name, manifest in gone.items():
        by_content.setdefault(_but_name(manifest), []).append(name)
    for name, manifest in come.items():
        twins = by_content.get(_but_name(manifest))
        if twins:
            old = twins.pop(0)
            del gone[old]
            yield Change(
                name, f"manifest {quote(old)} renamed to {quote(name)}, which causes no call", manifest.location
            )
        else:
            text = f"manifest {quote(name)} added: {_runs(manifest)} of {one_line(manifest.table)}"
            yield Change(name, text, manifest.location)
    for name, manifest in gone.items():
        text = f"manifest {quote(name)} removed: {_runs(manifest)} of {one_line(manifest.table)}"
        yield Change(name, text, manifest.location)


def _but_name(manifest: Manifest) -> str:
    return repr({key: value for key, value in manifest.content().items() if key != "name"})


def _runs(manifest: Manifest) -> str:
    return counted(len(manifest.runs), "run")


def _manifest_changes(old: Manifest, new: Manifest) -> Iterator[Change]:
    """Yield the changes in one manifest."""
    before = {run.name: run for run in old.runs}
    after = {run.name: run for run in new.runs}
    renamed = _renamed(before, after)
    for name, old_name in renamed.items():
        text = f"run {quote(old_name)} renamed to {quote(name)}, which causes no call"
        yield Change(f"{new.name}/{name}", text, after[name].location)
    passed_over = {*renamed, *renamed.values()}
    for at, was, now in _differences(_tree(old, passed_over), _tree(new, passed_over)):
        if at[0] == "runs":
            yield from _change_of_run(new, after, at[1:], was, now)
        else:
            yield _change_of_manifest(new, at, was, now)
    for name in sorted(before.keys() & after.keys()):
        text = _rows(before[name], after[name])
        if text:
            yield Change(f"{new.name}/{name}", text, after[name].location)


def _change_of_run(
    new: Manifest, after: Mapping[str, Run], at: Sequence[str | int], was: object, now: object
) -> Iterator[Change]:
    name, *rest = at
    assert isinstance(name, str)
    if not rest and now is None:
        yield Change(f"{new.name}/{name}", f"run {quote(name)} removed", new.location)
    elif not rest:
        yield Change(f"{new.name}/{name}", f"run {quote(name)} added: {_scope(after[name])}", after[name].location)
    elif rest != ["rows"] or (was is not None and now is not None):
        # Otherwise `_rows` reports it: a change between row ids and a selection.
        text, location = _run_change(after[name], rest, was, now)
        yield Change(f"{new.name}/{name}", text, location)


def _change_of_manifest(new: Manifest, at: Sequence[object], was: object, now: object) -> Change:
    match at:
        case ("depends_on", key):
            verb = "added to" if was is None else "removed from"
            return Change(new.name, f"{quote(str(key))} {verb} depends_on", new.location)
        case ("allow_growth", *rest):
            return Change(new.name, _said(".".join(["allow_growth", *map(str, rest)]), was, now), new.location)
        case ("labels", key):
            return Change(new.name, f"label {_said(one_line(str(key)), was, now)}", new.location)
        case _:
            return Change(new.name, _said("table", was, now), new.table_place)


def _tree(manifest: Manifest, passed_over: set[str]) -> dict[str, Any]:
    """Return a manifest as mappings, with lists keyed by their items."""
    tree: dict[str, Any] = {
        "table": manifest.table_id or one_line(manifest.table),
        "labels": dict(manifest.labels),
        "runs": {run.name: _run_tree(run) for run in manifest.runs if run.name not in passed_over},
        "depends_on": {named.text: True for named in manifest.depends_on},
    }
    if manifest.growth is not None:
        tree["allow_growth"] = manifest.growth.content()
    return tree


def _run_tree(run: Run) -> dict[str, Any]:
    tree: dict[str, Any] = {"mode": run.mode.value}
    if run.max_attempts != DEFAULT_MAX_ATTEMPTS[run.mode] or run.mode is Mode.FAILED:
        tree["max_attempts"] = run.max_attempts
    if run.revision is not None:
        tree["revision"] = run.revision
    if run.follows_config:
        tree["revision"] = "of config"
    if run.columns is not None:
        tree["columns"] = {named.text: True for named in run.columns}
    parts = (("rows", run.selection), ("refresh", run.refresh), ("rollout", run.rollout), ("expect", run.expect))
    for name, part in parts:
        if part is not None:
            tree[name] = canonical_json(part.content()).decode()
    return tree


def _renamed(before: Mapping[str, Run], after: Mapping[str, Run]) -> dict[str, str]:
    """Return new name → old name of runs that are otherwise the same."""
    gone: dict[object, list[str]] = {}
    for name, run in before.items():
        if name not in after:
            gone.setdefault(_whole(run), []).append(name)
    found = {}
    for name, run in after.items():
        twins = gone.get(_whole(run)) if name not in before else None
        if twins:
            found[name] = twins.pop(0)
    return found


def _whole(run: Run) -> tuple[object, ...]:
    parts = (run.selection, run.refresh, run.rollout, run.expect)
    said = tuple(None if part is None else repr(part.content()) for part in parts)
    return run.mode, run.revision, run.follows_config, run.max_attempts, _texts(run.columns), _texts(run.rows), said


def _texts(named: tuple[NameAt, ...] | None) -> frozenset[str] | None:
    return None if named is None else frozenset(each.text for each in named)


def _run_change(run: Run, at: Sequence[str | int], was: object, now: object) -> tuple[str, Location]:
    """Return a run's change in words, and its location."""
    match at:
        case ["columns"]:
            some = counted(len(now if isinstance(now, dict) else was if isinstance(was, dict) else ()), "column")
            every, some = ("every column", some) if was is None else (some, "every column")
            return f"{quote(run.name)} takes {some} instead of {every}", run.location
        case ["columns", str(column)]:
            location = next((named.location for named in run.columns or () if named.text == column), run.location)
            verb = "added to" if was is None else "removed from"
            return f"column {quote(column)} {verb} {quote(run.name)}", location
        case _:
            return f"{_said(str(at[0]), was, now)} in {quote(run.name)}", run.location


def _rows(old: Run, new: Run) -> str:
    """Return how the rows of a run changed, by number; empty if they did not."""
    before, after = _texts(old.rows), _texts(new.rows)
    if before == after and bool(old.selection) == bool(new.selection):
        return ""
    if before is None or after is None:
        was, now = _row_words(old), _row_words(new)
        return f"{quote(new.name)} takes {now} instead of {was}"
    parts = [(len(after - before), "added to"), (len(before - after), "removed from")]
    return ", ".join(f"{counted(number, 'row')} {verb} {quote(new.name)}" for number, verb in parts if number)


def _scope(run: Run) -> str:
    columns = "every column" if run.columns is None else counted(len(run.columns), "column")
    revision = "" if run.revision is None else f" at revision {one_line(run.revision)}"
    revision = " at each configuration" if run.follows_config else revision
    refresh = "" if run.refresh is None else " refreshed " + _refresh_words(run.refresh)
    return f"mode {run.mode}{revision}{refresh}, {columns}, {_row_words(run)}"


def _refresh_words(refresh: Refresh) -> str:
    said = refresh.content()
    return " ".join(f"{name} {one_line(value)}" for name, value in said.items())


def _row_words(run: Run) -> str:
    if run.selection is not None:
        return "rows selected by their data"
    return "every row" if run.rows is None else counted(len(run.rows), "row")


def _differences(old: Any, new: Any) -> list[Difference]:
    """Return what differs between two mappings, in order."""
    found: list[Difference] = importlib.import_module("reconciler.manifests.deep_differences").differences(old, new)
    return found


def _said(name: str, was: object, now: object) -> str:
    """Return how a value changed: `max_attempts 3 → 5`."""
    if was is None:
        return f"{name} {_value(now)} added"
    if now is None:
        return f"{name} {_value(was)} removed"
    return f"{name} {_value(was)} → {_value(now)}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,}"
    return one_line(value, 80) if isinstance(value, str) else "…"


def compare_projects(base: object, here: Document | None) -> tuple[Change, ...]:
    """Return how the project file differs from the base's; prices and limits come first, as they decide what passes."""
    if base is None and here is None:
        return ()
    if here is None:
        return (Change(None, "the project file was removed, with its prices and limits", Location(".", 1, 1)),)
    if base is None:
        return (Change(None, "a project file was added", here.location(())),)
    found = []
    for at, was, now in _differences(_keyed(base), _keyed(here.value)):
        name, entry = path_text(at), at[-1]
        if at == ("spec", "ledger"):
            text = f"{name} changed"  # it may contain a secret
        elif any(each is True for each in (was, now)) and isinstance(entry, str):
            text = f"{path_text(at[:-1])}: {quote(entry)} {'added' if was is None else 'removed'}"
        else:
            text = _said(name, was, now)
        found.append(Change(None, text, here.location(at)))
    return tuple(found[:MOST_CHANGES])


def _keyed(value: object) -> object:
    """Return a project file's value with every list as a mapping, so that its order does not matter."""
    if isinstance(value, dict):
        return {key: _keyed(item) for key, item in value.items()}
    return {str(item): True for item in value} if isinstance(value, list) else value
