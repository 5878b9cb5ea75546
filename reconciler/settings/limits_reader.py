"""Limits as people write them → Limits: one spelling for the project file, RECONCILER_LIMITS and `--limits`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from reconciler import manifests
from reconciler.errors import ManifestError
from reconciler.manifests import json_schema
from reconciler.manifests.document import Document
from reconciler.manifests.yaml_reader import parse
from reconciler.model.limits import Anomaly, Budgets, Cap, Limit, Limits, Period, Rule, Unit
from reconciler.model.manifest import Mode
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic
from reconciler.text.phrases import path_text, quote

DECIMAL_PLACES = 6
"""The most decimal places of a price or limit, so that sums stay exact and short."""

Path = tuple[str | int, ...]


def as_decimal(value: float) -> Decimal:
    """Return a number as it is written, not as binary floats store it: 0.1, not 0.1000000000000000055."""
    return Decimal(repr(value))


def precision_problems(document: Document, at: Path) -> Iterator[Diagnostic]:
    """Yield a problem for every number below the path `at` with more than `DECIMAL_PLACES`."""
    value: Any = document.value
    for step in at:
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, dict):
        for key in value:
            yield from precision_problems(document, (*at, key))
    elif (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -int(as_decimal(value).as_tuple().exponent) > DECIMAL_PLACES
    ):
        yield Diagnostic(
            document.location(at),
            Code.TOO_MANY_DECIMALS,
            f"{path_text(at)} may have at most {DECIMAL_PLACES} decimal places",
        )


def named_twice(document: Document, at: Path) -> Iterator[Diagnostic]:
    """Yield a problem for each table with two sets of limits below the path `at`: ids are equal in any letter case."""
    value: Any = document.value
    for step in (*at, "tables"):
        value = value.get(step) if isinstance(value, dict) else None
    first: dict[str, str] = {}
    for table in value if isinstance(value, dict) else ():
        other = first.setdefault(table.lower(), table)
        if other != table:
            line = document.location((*at, "tables", other), key=True).line
            message = f"{path_text((*at, 'tables'))} names {quote(table)} twice; line {line} has it already"
            hint = "Upper and lower case do not matter in a table's id. Keep one of the two."
            yield Diagnostic(
                document.location((*at, "tables", table), key=True), Code.TABLE_LIMITED_TWICE, message, hint
            )


def zone_problems(document: Document, at: Path) -> Iterator[Diagnostic]:
    """Yield a problem if the limits at the path `at` name a time zone that does not exist."""
    value: Any = document.value
    for step in (*at, "timezone"):
        value = value.get(step) if isinstance(value, dict) else None
    for fault in manifests.calendar.zone_faults(value) if isinstance(value, str) else ():
        yield Diagnostic(document.location((*at, "timezone")), fault.code, fault.message, fault.hint)


def limits_of(document: Document, at: Path) -> Limits:
    """Return the limits at the path `at` of a project file that its schema has already accepted."""
    return _Reader(document, at, "").limits()


def limits_in(text: str, source: str) -> Limits:
    """Return the limits in the text of a variable or flag, written like the contents of `spec.limits`.

    Raises ManifestError with every problem in it.
    """
    documents = parse(text.encode("utf-8", "replace"), source)
    if not documents:
        return Limits()
    document = documents[0]
    at: Path = ("spec", "limits")
    whole = {"apiVersion": "reconciler/v1", "kind": "Project", "spec": {"limits": document.value}}
    found = [each for each in json_schema.problems("project", whole) if each.at[:2] == at]
    problems = [
        Diagnostic(document.location(each.at[2:], key=each.at_key), each.code, _shorter(each.message)) for each in found
    ]
    problems += [
        Diagnostic(other.location(()), Code.SEVERAL_DOCUMENTS, f"{source} must hold exactly one mapping")
        for other in documents[1:]
    ]
    problems += precision_problems(document, ())
    problems += named_twice(document, ())
    problems += zone_problems(document, ())
    if problems:
        raise ManifestError(problems)
    return _Reader(document, (), source).limits()


def _shorter(message: str) -> str:
    """Drop `spec.limits` from a message: the variable and the flag hold only what is below it."""
    return message.replace("spec.limits.", "").replace("spec.limits", "the limits")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the limits at one place of a document."""

    document: Document
    at: Path
    source: str
    """The variable or flag; empty for a file, which messages name with its line."""

    def limits(self) -> Limits:
        value: Any = self.document.value
        for step in self.at:
            value = value.get(step, {}) if isinstance(value, dict) else {}
        contact = value.get("contact", "")
        whole = self.cap((), value, contact)
        per_table = self.cap(("per_table",), value.get("per_table", {}), contact)
        return Limits(
            max_credits=whole.max_credits,
            max_cells=whole.max_cells,
            min_balance=self.limit(("min_balance",), value.get("min_balance"), contact),
            forecast_per_month=self.limit(("forecast_per_month",), value.get("forecast_per_month"), contact),
            per_table=replace(per_table, max_rerun_share=whole.max_rerun_share),
            tables={
                table.lower(): self.cap(("tables", table), cap, contact)
                for table, cap in value.get("tables", {}).items()
            },
            per_label={
                label: self.cap(("per_label", label), cap, contact) for label, cap in value.get("per_label", {}).items()
            },
            modes={
                Mode(mode): Rule(tuple(labels), self.where(("modes", mode)), contact)
                for mode, labels in value.get("modes", {}).items()
            },
            protected={
                column: Rule((), self.where(("protected_columns", index), key=False), contact)
                for index, column in enumerate(value.get("protected_columns", ()))
            },
            budgets=whole.budgets,
            timezone=value.get("timezone"),
            anomaly=self.anomaly(value.get("anomaly"), contact),
        )

    def cap(self, path: Path, value: Mapping[str, Any] | float, contact: str) -> Cap:
        """Return one mapping's limits; a bare number is credits."""
        if not isinstance(value, Mapping):
            return Cap(max_credits=self.limit(path, value, contact))
        contact = value.get("contact", contact)
        found = {
            name: self.limit((*path, name), value.get(name), contact)
            for name in ("max_credits", "max_cells", "max_rerun_share")
        }
        return Cap(**found, budgets=self.budgets(path, value, contact))

    def budgets(self, path: Path, value: Mapping[str, Any], contact: str) -> Budgets:
        """Return what `per_day` and `per_month` beside other limits say."""
        found = {
            f"{period}_{unit}": self.limit((*path, f"per_{period}", f"max_{unit}"), limit, contact)
            for period in Period
            for unit in Unit
            if (limit := value.get(f"per_{period}", {}).get(f"max_{unit}")) is not None
        }
        return Budgets(**found)

    def anomaly(self, value: Mapping[str, Any] | None, contact: str) -> Anomaly | None:
        """Return the limit on what is out of the ordinary; what it does not say is as by default."""
        if value is None:
            return None
        factor = Limit(as_decimal(value.get("factor", 3)), self.where(("anomaly",)), contact)
        return Anomaly(factor, value.get("last", 5))

    def limit(self, path: Path, value: float | None, contact: str) -> Limit | None:
        return None if value is None else Limit(as_decimal(value), self.where(path), contact)

    def where(self, path: Path, *, key: bool = True) -> str:
        at = (*self.at, *path)
        location = self.document.location(at, key=key)
        return f"{self.source or f'{location.path}:{location.line}'} ({path_text(at)})"
