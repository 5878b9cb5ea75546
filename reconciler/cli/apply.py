"""`reconciler apply`."""

import os
import select
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any

import click

from reconciler import ApplyEvents, CallResult, Interrupt, Plan, ReadCost, Report, Session
from reconciler.cli import options
from reconciler.cli.console import ERASED, Console, exits, let_go_of_readers
from reconciler.cli.pages import without_stdout
from reconciler.cli.plan_outcome import keep_problems, problems
from reconciler.cli.progress import Reading, Waiting
from reconciler.cli.receipt import Receipt, outlet, plain_line
from reconciler.cli.session import open_session, say_cost, say_where
from reconciler.documents.saved_plan_checks import SavedPlan
from reconciler.errors import PlanError, ReconcilerError, SettingsError
from reconciler.model.observed import TableStatus
from reconciler.model.report import ExitCode
from reconciler.render.alignment import width_of
from reconciler.render.plan_parts import addressed
from reconciler.render.plan_text import PlanView, plan_text
from reconciler.render.report_text import result_text
from reconciler.text.sanitize import one_line

LOOKS_FOR_SIGNALS_EVERY = 0.5
"""Seconds between checks for a signal at the prompt."""

STOPPING = "Stopping: a call in flight ends first, and no other is sent. A second signal ends the waiting for it."


@click.command("apply")
@options.paths
@click.option(
    "--plan", "file", metavar="FILE", type=click.Path(dir_okay=False), help="Apply a saved plan, which approves it."
)
@click.option(
    "--plan-max-age",
    type=options.Duration(),
    default="24h",
    show_default=True,
    help="Refuse a saved plan older than this.",
)
@click.option("--yes", is_flag=True, help="Do not ask; required without a terminal.")
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Wait until the tables are idle and send later waves; or send one wave and say what is left.",
)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait no longer than this.")
@click.option(
    "--lease-timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=0.0,
    help="Wait this long for another apply to finish with a table. Default: not at all.",
)
@options.report_files
@click.option(
    "--format", "form", type=click.Choice(options.APPLY_FORMATS), default="text", help="How stdout is written."
)
@options.show_rows
@options.targets
@options.limits
@options.notify_host
@options.detailed_exitcode
@options.profile
@problems
@click.pass_context
@exits
def command(context: click.Context, /, file: str | None, problems: str | None, **given: Any) -> int:
    """Send the run calls that are due, each at most once.

    Shows the plan and asks first. Applying twice sends nothing the second time; a call that may have been paid for is
    never sent again. With --plan, sends what is still due of what the file lists, and nothing else.
    """
    if file is not None and (given["target"] or given["exclude"]):
        raise click.UsageError("--plan brings its own selection; --target and --exclude do not go with it")
    given["out"], given["form"] = without_stdout(given["out"], given["form"])
    try:
        return _run(Console(context.obj), file=file, **given)
    except ReconcilerError as error:  # before anything was sent: afterwards every trouble stands in the report
        keep_problems(problems, error)
        raise


def _run(
    console: Console,
    *,
    paths: tuple[str, ...],
    file: str | None,
    plan_max_age: float,
    yes: bool,
    wait: bool,
    timeout: float | None,
    lease_timeout: float,
    out: tuple[str, ...],
    form: str,
    show_rows: bool,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
    limits_from: str | None,
    detailed_exitcode: bool,
    profile: str | None,
    **limits: str | None,
) -> int:
    reading = Reading(console)
    with ExitStack() as opened:
        session = opened.enter_context(
            open_session(console, limits_from=limits_from, paths=paths, on_progress=reading.take, **limits)
        )
        say_where(console, session)
        opened.enter_context(telling_refusals(session))
        saved = None if file is None else _read_plan(console, session, file, plan_max_age)
        # Opened first: an unwritable path must not cost the report of what was paid for.
        kept = session.own_files()
        outlets = {path: opened.enter_context(outlet("--out", path, kept)) for path in out}
        timed = None if profile is None else opened.enter_context(outlet("--profile", profile, kept))
        screen = _Screen(console, session, saved, waits=wait, as_text=form == "text", yes=yes)
        screen.rows = show_rows
        how = {"wait": screen.waits, "timeout_seconds": timeout, "lease_timeout_seconds": lease_timeout}
        with interruptible(console) as interrupt:
            try:
                with reading:
                    report, cost = _apply(screen, paths, target, exclude, {**how, "interrupt": interrupt})
            except (KeyboardInterrupt, click.Abort):
                console.error("cancelled; nothing was sent")
                return ExitCode.CANCELLED
            interrupt.is_over = True
            code = report.exit_code(detailed=detailed_exitcode)
            receipt = Receipt(console, report, code, rows=show_rows)
            if timed is not None:
                receipt.save_profile(timed, partial(session.profile.document, "apply", cost))
            receipt.give(form, outlets)
            session.notify(report, code, interrupt=interrupt)
    return code


@contextmanager
def telling_refusals(session: Session) -> Iterator[None]:
    """Tell webhooks if an apply is refused before it sends anything; afterwards every trouble stands in its report."""
    try:
        yield
    except ReconcilerError as error:
        session.notify(error)
        raise


def _read_plan(console: Console, session: Session, file: str, max_age_seconds: float) -> SavedPlan:
    saved = session.read_plan(file, max_age_seconds=max_age_seconds)
    if saved.taken_at is not None:
        taken_at = one_line(saved.taken_at)
        console.info(f"The plan was made from a snapshot of {taken_at}; the live tables are read again.")
    return saved


def _apply(
    screen: "_Screen", paths: tuple[str, ...], target: tuple[str, ...], exclude: tuple[str, ...], how: Mapping[str, Any]
) -> tuple[Report, ReadCost]:
    """Apply, and close the session; a failure to close does not cost the report. `how` goes to either verb."""
    session, report, cost = screen.session, None, ReadCost()
    try:
        with session:
            if screen.saved is None:
                report = session.plan_and_apply(
                    screen.approve, paths, target=target, exclude=exclude, events=screen.events(), **how
                )
            else:
                report = session.apply(screen.saved, paths, events=screen.events(), **how)
            cost = session.cost()
            say_cost(screen.console, cost)
    except Exception as error:
        if report is None:
            raise
        screen.console.error(f"an unexpected {type(error).__name__} came after the last call", "Report it as a bug.")
    return report, cost


def _confirmed(question: str) -> bool:
    """Ask on stderr; anything but yes means no. Raises click.Abort at the end of the input.

    A signal that arrives just before a read waits until it returns, so the read begins only once there is input.
    """
    while True:
        click.echo(f"{question} [y/N]: ", nl=False, err=True)
        with suppress(OSError, ValueError):  # an input that cannot be waited for is read at once
            while not select.select([sys.stdin], [], [], LOOKS_FOR_SIGNALS_EVERY)[0]:
                pass
        line = sys.stdin.readline()
        if not line:
            raise click.Abort
        answer = line.strip().lower()
        if answer in ("y", "yes", "n", "no", ""):
            return answer in ("y", "yes")
        click.echo("Error: invalid input", err=True)


class _Screen:
    """The output of an apply for a person: the plan and the prompt, each call's line, the bar while waiting."""

    def __init__(
        self,
        console: Console,
        session: Session,
        saved: SavedPlan | None,
        *,
        waits: bool,
        as_text: bool,
        yes: bool,
    ) -> None:
        self.console = console
        self.session = session
        self.saved = saved
        self.waits = waits
        self.rows = False
        """True to name the rows of each column."""
        self._as_text = as_text
        self._yes = yes
        self._width = 0
        self._bar: Waiting | None = None

    def events(self) -> ApplyEvents:
        """Return the callbacks for the apply's events."""
        return ApplyEvents(self._show_saved, self._result, self._waiting, self._poll, self._lost, self.console.info)

    def approve(self, plan: Plan) -> None:
        """Show the plan and have it approved. Raises PlanError, SettingsError or click.Abort if it is not."""
        text = self._show(plan, self._text(plan))
        if not (plan.calls or (self.waits and plan.waiting)) or self._yes:
            return
        if not (sys.stdin.isatty() and self.console.is_terminal):
            raise SettingsError("there is no terminal to ask on", hint="Check `reconciler plan`, then use --yes.")
        if not self._as_text:
            self.console.say(self.console.fit(text) + "\n")
        if not _confirmed("Send these calls?"):
            raise PlanError("the plan was not approved; nothing was sent")

    def _show_saved(self, plan: Plan) -> None:
        is_due = plan.calls or plan.waiting or plan.held_up or plan.in_doubt
        self._show(plan, self._text(plan) if is_due else "Nothing that the plan file approves is still due.")

    def _text(self, plan: Plan) -> str:
        shows_all = self.console.flags["verbose"]
        view = PlanView(is_preview=False, lists_all=shows_all, rows=self.rows, width=self.console.width)
        return plan_text(plan, self.session.limits(), (), self.console.paint, view=view)

    def _show(self, plan: Plan, text: str) -> str:
        self._width = max((width_of(addressed(call)) for call in plan.calls), default=0)
        if self._as_text:
            try:
                self.console.show(self.console.fit(text) + "\n")
            except BrokenPipeError as error:
                raise PlanError("the reader of stdout left before the plan was shown, so nothing was sent") from error
        return text

    # The following methods are called once calls may have been sent, so none of them may fail.

    def _result(self, result: CallResult) -> None:
        if self._as_text:
            try:
                line = self.console.fit(result_text(result, self._width, self.console.paint, rows=self.rows))
            except Exception as error:
                line = f"{plain_line(result)} (unexpected {type(error).__name__} while showing it)"
            self.console.tell(line)

    def _waiting(self, cells: int) -> Waiting:
        self._bar = Waiting(self.console, cells)
        return self._bar

    def _poll(self, statuses: Mapping[str, TableStatus]) -> None:
        if self._bar is not None:
            self._bar.poll(statuses)

    def _lost(self, record: str) -> None:
        self.console.error(
            f"the ledger could not record this outcome; keep it yourself: {record}",
            "Once the ledger is writable, end the doubt with `reconciler ledger resolve`.",
        )


@contextmanager
def interruptible(console: Console) -> Iterator[Interrupt]:
    """Let SIGINT, SIGTERM and SIGHUP cancel an apply that has sent nothing, and stop one that has.

    The first lets the calls in flight end, a second one also stops waiting for them. Once only the report is left, they
    change nothing.
    """
    interrupt = Interrupt()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if interrupt.is_sending:
            let_go_of_readers()
        if interrupt.is_over:
            interrupt.is_hurried = True
            return
        if not interrupt.is_sending:
            raise KeyboardInterrupt
        if interrupt:
            interrupt.insist()
            return
        interrupt.set()
        # Bypass Python's buffers: the signal may have arrived while a line was being written.
        with suppress(OSError, ValueError, AttributeError):
            line = console.line("info", STOPPING, {})
            os.write(sys.stderr.fileno(), f"{ERASED if console.has_bar else ''}{line}\n".encode())

    numbers = [signal.SIGINT, signal.SIGTERM]
    # Windows has no SIGHUP, and `nohup` leaves it ignored.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            # A program that has spent has its exit code: a signal between here and its end must not change it.
            is_settled = interrupt.is_over and console.owns_process
            signal.signal(number, signal.SIG_IGN if is_settled else handler)
