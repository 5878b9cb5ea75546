"""Forecast → JSON, versioned (`schemas/forecast.v1.json`)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from reconciler.documents.parts import diagnostic_part
from reconciler.model.credits import Credits
from reconciler.model.forecast import Forecast, ForecastLine
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import json_number, rfc3339

FORMAT_VERSION = "1.0"


def forecast_document(of: Forecast, problems: Sequence[Diagnostic] = ()) -> dict[str, Any]:
    """Return what schedules will buy by day, manifest and label; `problems` are of tables that it does not count."""
    by_day = [[(line, line.days[place]) for line in of.lines] for place in range(len(of.dates))]
    return {
        "format_version": FORMAT_VERSION,
        "from": rfc3339(of.start),
        "to": rfc3339(of.stop),
        "errored": bool(problems),
        "totals": _whole(of.lines),
        "days": [{"date": day.isoformat(), **_sums(lines)} for day, lines in zip(of.dates, by_day, strict=True)],
        "manifests": _grouped(of.lines, "manifest", lambda line: [line.manifest]),
        "labels": _grouped(of.lines, "label", lambda line: [f"{key}={value}" for key, value in line.labels.items()]),
        "not_counted": [{"reason": reason, "cells": cells} for reason, cells in sorted(of.left_out.items())],
        "diagnostics": [diagnostic_part(each) for each in problems],
    }


def _grouped(
    lines: Iterable[ForecastLine], name: str, keys_of: Callable[[ForecastLine], Iterable[str]]
) -> list[dict[str, Any]]:
    """Return the sums of each key, by key; a line counts for each of its keys."""
    found: dict[str, list[ForecastLine]] = {}
    for line in lines:
        for key in keys_of(line):
            found.setdefault(key, []).append(line)
    return [{name: key, **_whole(found[key])} for key in sorted(found)]


def _whole(lines: Iterable[ForecastLine]) -> dict[str, Any]:
    return _sums([(line, line.cells) for line in lines])


def _sums(cells: Sequence[tuple[ForecastLine, int]]) -> dict[str, Any]:
    cost = Credits.at((line.price, count) for line, count in cells)
    return {
        "cells": sum(count for _, count in cells),
        "credits": json_number(cost.total),
        "unpriced_cells": cost.unpriced_cells,
    }
