"""The project file: settings that a project's manifests share, checked and with every default in place."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconciler.errors import ManifestError
from reconciler.manifests import json_schema
from reconciler.manifests.document import Document
from reconciler.manifests.yaml_reader import read_documents
from reconciler.model.limits import Limits, Prices, Rule
from reconciler.model.notice import NoticeForm, Occasion, Webhook
from reconciler.model.schedule import Schedule
from reconciler.settings.limits_reader import as_decimal, limits_of, named_twice, precision_problems, zone_problems
from reconciler.settings.project_shape import fits
from reconciler.settings.schedules_reader import calendar_problems, schedules_of
from reconciler.text.addresses import LEDGER_HINT, PROJECT_LIBPQ, is_loopback, leads_elsewhere, ledger_fault
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from reconciler.text.phrases import quote

PROJECT_KIND = "Project"
FLOORS = {"call_seconds": 10, "quiet_seconds": 60}
"""The lowest T and Q in seconds, unless the API is on this machine: the real API answers and starts more slowly, and a
call that was paid for would be taken for one that never landed."""


@dataclass(frozen=True, slots=True)
class Spend:
    """The timing of run calls; the letters are those of `spending/__init__.py`."""

    send_within_seconds: float = 2.0
    """D: a call is sent only if less than this has passed since before its intent was recorded."""
    call_seconds: float = 30.0
    """T: how long a whole run call may take."""
    quiet_seconds: float = 180.0
    """Q: how long after a call in doubt the live table may prove that it never landed; more than D + T."""
    lease_seconds: float = 60.0
    """How long a table stays reserved for an apply that died."""

    @property
    def shows_within_seconds(self) -> float:
        """The longest wait for an accepted call to show, from its intent: D + T for the answer, Q for the run."""
        return self.send_within_seconds + self.call_seconds + self.quiet_seconds


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """How the API is called."""

    url: str = "https://api.extruct.ai"
    concurrency: int = 16
    """Concurrent requests, 1 to 32."""
    run_concurrency: int = 4
    """Concurrent run calls, each for another table; calls for one table are sent one after the other."""
    timeout_seconds: float = 30.0
    """For one read."""
    page_rows: int = 500
    """Rows read with one request."""
    proxy: str | None = None
    """An HTTP proxy for https, without credentials; the environment overrides it."""
    ca_bundle: str | None = None
    """A file or folder of trusted certificates, relative to the project file; None if it names none."""
    requests_per_second: float | None = None
    """The rate that all workers of a workspace share (`api.rate`); None for no limit."""
    max_cells_per_call: int = 1000
    """Limits how many cells one unclear answer can put in doubt."""
    spend: Spend = field(default_factory=Spend)


@dataclass(frozen=True, slots=True)
class Project:
    """The project file's settings, with defaults for those it does not set."""

    manifests: tuple[str, ...] = ()
    """Files and folders, relative to the project file; empty if it names none."""
    ledger: str | None = None
    """A URL, or a path relative to the project file; None if it names none."""
    ledger_connections: int | None = None
    """The most connections of one process to a PostgreSQL server; None: as many as its threads use."""
    api: ApiSettings = field(default_factory=ApiSettings)
    prices: Prices = field(default_factory=Prices)
    limits: Limits = field(default_factory=Limits)
    notify: tuple[Webhook, ...] = ()
    schedules: tuple[Schedule, ...] = ()

    @property
    def most_ledger_connections(self) -> int:
        """The most connections to the ledger's server: one for each run call at once, the leases and the rest."""
        return self.ledger_connections or self.api.run_concurrency + 2


DEFAULT_PROJECT = Project()
"""The settings without a project file."""


def read_project(path: Path, api_url: str | None = None) -> tuple[Project, tuple[Diagnostic, ...]]:
    """Return the project file's settings; or every problem in the file, with what it says of `manifests` alone.

    `api_url` is the API's address from a flag or the environment, if there is one; it overrides the file's.
    """
    manifests: Any = None
    try:
        documents = read_documents(path)
        manifests = _value(documents[0].value, ("spec", "manifests")) if documents else None
        return project_of(documents, path.as_posix(), api_url), ()
    except ManifestError as error:
        named = manifests if isinstance(manifests, list) else ()
        return Project(tuple(each for each in named if isinstance(each, str) and each)), error.problems


def project_of(documents: Sequence[Document], path: str, api_url: str | None = None) -> Project:
    """Return the settings in the documents of the project file named `path`; `api_url` as in `read_project`.

    Raises ManifestError with every problem in the file.
    """
    if not documents:
        message = "the project file is empty; it needs `apiVersion: reconciler/v1` and `kind: Project`"
        raise ManifestError([Diagnostic(Location(path, 1, 1), Code.EMPTY_FILE, message)])
    first, *others = documents
    problems = [
        Diagnostic(other.location(()), Code.SEVERAL_DOCUMENTS, "a project file must hold exactly one document")
        for other in others
    ]
    problems += _faults(first, api_url)
    if problems:
        raise ManifestError(problems)
    value: Any = first.value
    spec = value.get("spec", {})
    api = spec.get("api", {})
    prices = spec.get("prices", {})
    return Project(
        manifests=tuple(spec.get("manifests", ())),
        ledger=spec.get("ledger"),
        ledger_connections=spec.get("ledger_connections"),
        api=_api(api),
        prices=Prices(
            default=as_decimal(prices["default"]) if "default" in prices else None,
            kinds=_exact_each(prices.get("kinds", {})),
            columns=_exact_each(prices.get("columns", {})),
        ),
        limits=replace(limits_of(first, ("spec", "limits")), organization=_organization(first)),
        notify=tuple(map(_webhook, spec.get("notify", ()))),
        schedules=schedules_of(first),
    )


def _api(given: Mapping[str, Any]) -> ApiSettings:
    flat = {name: value for name, value in given.items() if name not in ("spend", "rate")}
    return ApiSettings(**flat, spend=Spend(**given.get("spend", {})), **given.get("rate", {}))


def _webhook(entry: Mapping[str, Any]) -> Webhook:
    on = frozenset(map(Occasion, entry.get("on", Occasion)))
    return Webhook(entry["url"]["env"], on, NoticeForm(entry.get("format", NoticeForm.JSON)))


def _organization(document: Document) -> Rule | None:
    at = ("spec", "workspace", "organization")
    wanted = _value(document.value, at)
    if not isinstance(wanted, str):
        return None
    location = document.location(at, key=True)
    return Rule((wanted,), f"{location.path}:{location.line} ({'.'.join(at)})")


def _faults(document: Document, api_url: str | None) -> Iterator[Diagnostic]:
    """Yield every problem in the document, by its schema and by the rules that a schema cannot express."""
    value = document.value
    found = [] if fits(value) else json_schema.problems("project", value)
    kind = value.get("kind") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind != PROJECT_KIND:
        message = f"a project file has kind `Project`, but this document has kind {quote(kind)}"
        yield Diagnostic(document.location(("kind",)), Code.NOT_A_PROJECT, message)
        return
    for each in found:
        yield Diagnostic(document.location(each.at, key=each.at_key), each.code, each.message, each.hint)
    yield from _wrong_ledger(document)
    yield from _short_quiet_period(document)
    yield from _below_the_floor(document, api_url)
    yield from named_twice(document, ("spec", "limits"))
    yield from zone_problems(document, ("spec", "limits"))
    yield from calendar_problems(document)
    for key in ("prices", "limits", "schedules"):
        yield from precision_problems(document, ("spec", key))


def _wrong_ledger(document: Document) -> Iterator[Diagnostic]:
    """Refuse a ledger that is invalid or could send a secret elsewhere. It may hold a password, so it is not shown."""
    at = ("spec", "ledger")
    ledger = _value(document.value, at)
    if not isinstance(ledger, str) or not ledger:
        return  # the schema reports it
    fault = ledger_fault(ledger, is_windows=os.name == "nt")
    if fault:
        yield Diagnostic(
            document.location(at), Code.LEDGER_NOT_UNDERSTOOD, f"{'.'.join(at)} is not understood: {fault}", LEDGER_HINT
        )
    elif leads_elsewhere(ledger):
        message = f"the URL in {'.'.join(at)} has a setting that could point to another server, file or secret"
        hint = f"It may set {', '.join(sorted(PROJECT_LIBPQ))}. For anything else, set the ledger in RECONCILER_LEDGER."
        yield Diagnostic(document.location(at), Code.LEDGER_LEADS_ELSEWHERE, message, hint)


def _below_the_floor(document: Document, api_url: str | None) -> Iterator[Diagnostic]:
    """Refuse times so short that a slow answer of the real API would count as no answer."""
    in_file = _value(document.value, ("spec", "api", "url"))
    url = api_url or (in_file if isinstance(in_file, str) else ApiSettings().url)
    if is_loopback(url):
        return
    at = ("spec", "api", "spend")
    for key, value in _numbers(document.value, at):
        least = FLOORS.get(key)
        if least is not None and value < least:
            message = f"{'.'.join(at)}.{key} must be at least {least}, but it is {value:g}"
            hint = "Only an API on this machine (a simulator on 127.0.0.1) may be given less time."
            yield Diagnostic(document.location((*at, key)), Code.BELOW_THE_FLOOR, message, hint)


def _short_quiet_period(document: Document) -> Iterator[Diagnostic]:
    """Refuse a Q that is not longer than D + T: a call that may still be on its way must not be declared lost."""
    at = ("spec", "api", "spend")
    given = {key: value for key, value in _numbers(document.value, at) if key in Spend.__dataclass_fields__}
    spend = Spend(**given)
    longest = as_decimal(spend.send_within_seconds) + as_decimal(spend.call_seconds)
    if as_decimal(spend.quiet_seconds) <= longest:
        key = next((key for key in ("quiet_seconds", "call_seconds", "send_within_seconds") if key in given), "")
        message = (
            f"{'.'.join(at)}.quiet_seconds must exceed send_within_seconds + call_seconds: "
            f"{spend.quiet_seconds:g} is not more than {float(longest):g}"
        )
        hint = (
            "Otherwise a call that is still on its way could be taken for one that never landed, and be paid for twice."
        )
        yield Diagnostic(document.location((*at, key)), Code.QUIET_PERIOD_TOO_SHORT, message, hint)


def _value(value: object, at: tuple[str, ...]) -> object:
    """Return the value at a path, or None."""
    for key in at:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _numbers(value: object, at: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    """Yield the keys of the mapping at a path, if there is one, whose values are numbers, with these values."""
    value = _value(value, at)
    for key, number in value.items() if isinstance(value, dict) else ():
        if isinstance(number, int | float) and not isinstance(number, bool):
            yield key, number


def _exact_each(values: Mapping[str, float]) -> dict[str, Decimal]:
    return {key: as_decimal(value) for key, value in values.items()}
