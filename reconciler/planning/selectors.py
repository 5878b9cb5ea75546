"""The runs that a person selects: a manifest, `name/run` or `label=value`, with `*` as in a shell."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from reconciler.errors import SettingsError
from reconciler.model.manifest import Manifest, Run
from reconciler.text.codes import Code
from reconciler.text.phrases import did_you_mean, quote
from reconciler.text.sanitize import one_line

MOST_LISTED = 10
"""Names in the hint of a selector that matches nothing."""


def split_selectors(given: Sequence[str], manifests: Sequence[Manifest]) -> tuple[str, ...]:
    """Return the selectors in options that may each hold several, with commas between.

    A label's value may have a comma too: an option that is a manifest's label as it stands is one selector.
    """
    labels = {f"{key}={value}" for manifest in manifests for key, value in manifest.labels.items()}
    return tuple(
        selector.strip() for option in given for selector in ([option] if option in labels else option.split(","))
    )


def select_runs(manifests: Sequence[Manifest], include: Sequence[str], exclude: Sequence[str]) -> tuple[Manifest, ...]:
    """Keep the runs that match a selector of `include` (all if it is empty) and none of `exclude`.

    Raises SettingsError, with the names there are, for selectors that match nothing.
    """
    selectors = (*include, *exclude)
    unmatched = [
        selector
        for selector in selectors
        if not any(_matches(selector, manifest, run) for manifest in manifests for run in manifest.runs)
    ]
    if unmatched:
        raise _unknown(unmatched, manifests)
    kept = []
    for manifest in manifests:
        runs = tuple(
            run
            for run in manifest.runs
            if (not include or any(_matches(selector, manifest, run) for selector in include))
            and not any(_matches(selector, manifest, run) for selector in exclude)
        )
        if runs:
            kept.append(replace(manifest, runs=runs))
    return tuple(kept)


def _matches(selector: str, manifest: Manifest, run: Run) -> bool:
    key, equals, value = selector.partition("=")
    if equals:
        return any(_is_like(value, label) for name, label in manifest.labels.items() if name == key)
    name, slash, run_name = selector.partition("/")
    return _is_like(name, manifest.name) and (not slash or _is_like(run_name, run.name))


def _is_like(pattern: str, text: str) -> bool:
    # A label's value may itself have a bracket or an asterisk.
    return pattern == text or fnmatchcase(text, pattern)


def _unknown(selectors: Sequence[str], manifests: Sequence[Manifest]) -> SettingsError:
    first, *others = selectors
    if others:
        message = f"the selectors {', '.join(map(quote, selectors))} match no run"
    elif first:
        message = f"the selector {quote(first)} matches no run{did_you_mean(first, _names_like(first, manifests))}"
    else:
        message = "an empty selector matches no run"
    return SettingsError(
        message,
        hint=f"{_there(first, manifests)} A selector is a manifest's name, `name/run` or `label=value`, "
        "with `*` for any characters; several have commas between.",
        code=Code.NOTHING_SELECTED,
    )


def _names_like(selector: str, manifests: Iterable[Manifest]) -> list[str]:
    """Return the names there are of a selector's kind."""
    if "=" in selector:
        return sorted({f"{key}={value}" for manifest in manifests for key, value in manifest.labels.items()})
    if "/" in selector:
        return [f"{manifest.name}/{run.name}" for manifest in manifests for run in manifest.runs]
    return [manifest.name for manifest in manifests]


def _there(selector: str, manifests: Sequence[Manifest]) -> str:
    """Return a sentence that lists what a selector could have named."""
    kind = "labels" if "=" in selector else "runs" if "/" in selector else "manifests"
    names = _names_like(selector, manifests)
    listed = ", ".join(one_line(name, 80) for name in names[:MOST_LISTED]) or "none"
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"The {kind} here: {listed}{more}."
