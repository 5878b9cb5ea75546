"""Options that several commands share."""

import importlib
import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from datetime import time as clock_time
from typing import Any, ClassVar

import click

Decorated = Callable[..., Any]

VALIDATE_FORMATS = ("text", "json", "github", "gitlab", "sarif", "junit")
PLAN_FORMATS = ("text", "json", "markdown", "html", "github", "gitlab")
APPLY_FORMATS = ("text", "json", "markdown", "html")


class Duration(click.ParamType[float]):
    """A duration as people write it: `90s`, `15m`, `24h`, `7d`; a bare number is seconds."""

    name = "duration"
    SECONDS: ClassVar[dict[str, int]] = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", str(value))
        if match is None:
            self.fail(f"{value!r} is not a duration; write e.g. 90s, 15m, 24h or 7d", param, ctx)
        return float(int(match[1]) * self.SECONDS[match[2]])


class Endpoint(click.ParamType[tuple[str, int]]):
    """A port, or a host and a port: `9464`, `127.0.0.1:9464`, `[::1]:9464`."""

    name = "endpoint"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the host, empty for every address, and the port."""
        match = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]]+):)?([0-9]{1,5})", str(value), re.ASCII)
        if match is None or int(match[2]) > 65535:
            self.fail(f"{value!r} is not a port; write e.g. 9464, 127.0.0.1:9464 or [::1]:9464", param, ctx)
        return (match[1] or "").strip("[]"), int(match[2])


class Moment(click.ParamType[float]):
    """A time as people write it: a day, `2026-01-31`, or how long ago, `7d`."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since the epoch, UTC."""
        if re.fullmatch(r"[0-9]{1,9}[smhdw]", str(value)):
            return max(0.0, time.time() - int(value[:-1]) * Duration.SECONDS[value[-1]])
        try:
            day = date.fromisoformat(value) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)) else None
        except ValueError:
            day = None
        if day is None:
            self.fail(f"{value!r} is neither a day nor an age; write e.g. 2026-01-31, 7d or 24h", param, ctx)
        return datetime.combine(day, clock_time(), UTC).timestamp()


def period(command: Decorated) -> Decorated:
    """Add `--since` and `--until`."""
    command = click.option(
        "--until", metavar="WHEN", type=Moment(), help="Calls begun before that; written like --since."
    )(command)
    return click.option(
        "--since", metavar="WHEN", type=Moment(), help="Calls begun then or later: a day (UTC), or an age such as 7d."
    )(command)


def completed_by(source: str) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """Return what a shell asks for the values of a parameter: a function of `completion.py`, loaded then."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        found: list[Any] = getattr(importlib.import_module("reconciler.cli.completion"), source)(
            context, parameter, incomplete
        )
        return found

    return complete


paths = click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path())


def targets(command: Decorated) -> Decorated:
    """Add `--target` and `--exclude`."""
    command = click.option(
        "--exclude",
        multiple=True,
        metavar="SEL",
        shell_complete=completed_by("selectors"),
        help="Leave these runs out; written as for --target.",
    )(command)
    return click.option(
        "--target",
        multiple=True,
        metavar="SEL",
        shell_complete=completed_by("selectors"),
        help="Only these runs: a manifest, name/run or label=value; * as in a shell, commas between several.",
    )(command)


def limits(command: Decorated) -> Decorated:
    """Add `--max-credits`, `--max-cells`, `--limits` and `--limits-from`."""
    command = click.option(
        "--limits-from",
        metavar="REF",
        help="Also enforce the limits and prices of this git ref or folder, so a change cannot raise its own limits.",
    )(command)
    command = click.option(
        "--limits", metavar="YAML", help="More limits, written like spec.limits: '{per_label: {team=gtm: 500}}'."
    )(command)
    command = click.option("--max-cells", metavar="N", help="Refuse a plan with more cells.")(command)
    return click.option("--max-credits", metavar="N", help="Refuse a plan that costs more credits.")(command)


notify_host = click.option(
    "--notify-host",
    "notify_hosts",
    multiple=True,
    metavar="HOST",
    callback=lambda _, __, hosts: ",".join(hosts) or None,
    help="Webhooks of spec.notify may be on this host[:port]. Default: RECONCILER_NOTIFY_HOSTS, else none.",
)
report_files = click.option(
    "--out",
    metavar="FILE",
    multiple=True,
    type=click.Path(dir_okay=False),
    help="Save the report: as a page if the name ends with .html, else as JSON; - is stdout. May be given twice.",
)

show_rows = click.option("--show-rows", is_flag=True, help="Name the rows of each column, too.")

profile = click.option(
    "--profile", metavar="FILE", type=click.Path(dir_okay=False), help="Write how the time was spent, as JSON."
)

detailed_exitcode = click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit 2 instead of 0 if there are calls (plan) or some were sent (apply).",
)
