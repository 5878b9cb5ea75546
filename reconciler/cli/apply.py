"""`reconciler apply`."""

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

import click

from reconciler.cli import options
from reconciler.cli.ci_output import APPLY_FORMATS
from reconciler.cli.connection import files_of, say_where
from reconciler.cli.console import Console, exits, let_go_of_readers
from reconciler.cli.progress import Reading, Waiting
from reconciler.cli.receipt import Receipt, outlet, plain_line
from reconciler.client import ReadCost, Reader, SpendClient
from reconciler.documents import plan_file
from reconciler.documents.saved_plan import SavedPlan
from reconciler.errors import PlanError, SettingsError
from reconciler.model.attempt import CallResult, Ending, Ticket
from reconciler.model.history import CallState
from reconciler.model.observed import TableStatus
from reconciler.model.plan import Call, Plan
from reconciler.model.report import ExitCode, Report, bought_cells
from reconciler.operations import observe, send
from reconciler.operations.apply import apply as apply_plan
from reconciler.operations.connection import api_options, origin, writing_ledger
from reconciler.operations.observe import Targets
from reconciler.operations.profile import Phase, Profile
from reconciler.operations.read_plan import read_saved_plan
from reconciler.operations.rescue import Witness
from reconciler.operations.send import ApplyContext, ApplyEvents, Interrupt
from reconciler.render.plan_text import addressed, plan_text
from reconciler.render.report_text import result_text
from reconciler.settings.provenance import actor
from reconciler.settings.revision import with_base_limits
from reconciler.settings.settings import Settings
from reconciler.spending.limits_check import effective_limits
from reconciler.text.sanitize import one_line

LOOKS_FOR_SIGNALS_EVERY = 0.5
"""Seconds, at the prompt."""

STOPPING = "Stopping once the call in flight has ended; a second signal ends the waiting for it."


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
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@click.option("--wait/--no-wait", default=None, help="Wait until the tables are idle. Default: on a terminal.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait no longer than this.")
@click.option(
    "--lease-timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=0.0,
    help="Wait this long for another apply to finish with a table. Default: not at all.",
)
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False), help="Save the report as JSON.")
@click.option("--format", "form", type=click.Choice(APPLY_FORMATS), default="text", help="How stdout is written.")
@options.targets
@options.limits
@options.detailed_exitcode
@options.profile
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    file: str | None,
    plan_max_age: float,
    yes: bool,
    wait: bool | None,
    timeout: float | None,
    lease_timeout: float,
    out: str | None,
    form: str,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
    max_credits: str | None,
    max_cells: str | None,
    limits: str | None,
    limits_from: str | None,
    detailed_exitcode: bool,
    profile: str | None,
) -> int:
    """Send the run calls that are due, each at most once.

    Shows the plan and asks first. Applying twice sends nothing the second time; a call that may have been paid for is
    never sent again. With --plan, sends what is still due of what the file lists, and nothing else.
    """
    if file is not None and (target or exclude):
        raise click.UsageError("--plan brings its own selection; --target and --exclude do not go with it")
    console = Console(context.obj)
    settings = console.settings(max_credits=max_credits, max_cells=max_cells, limits=limits)
    settings = with_base_limits(limits_from, settings, paths)
    say_where(console, settings)
    saved = None if file is None else read_saved_plan(Path(file), plan_max_age)
    if saved is not None:
        target, exclude = saved.include, saved.exclude
        saved.check_origin(settings.api_url)
        if saved.taken_at is not None:
            console.info(
                f"The plan was made from a snapshot of {one_line(saved.taken_at)}; the live tables are read again."
            )
    spent = Profile()
    kept = files_of(settings)
    with ExitStack() as files:
        # Tried first: a path that cannot be written must not cost a report of what was paid for.
        report_file = None if out is None else files.enter_context(outlet("--out", out, kept))
        profile_file = None if profile is None else files.enter_context(outlet("--profile", profile, kept))
        with spent.phase(Phase.MANIFESTS):
            targets = observe.load(settings, paths, target, exclude)
        waits = wait if wait is not None else console.is_terminal
        screen = _Screen(console, settings, saved, waits=waits, as_text=form == "text", yes=yes)
        with interruptible(console) as interrupt:
            try:
                report, cost = _apply(targets, screen, interrupt, spent, timeout, lease_timeout)
            except (KeyboardInterrupt, click.Abort):
                console.error("cancelled; nothing was sent")
                return ExitCode.CANCELLED
            interrupt.is_over = True
            code = report.exit_code(detailed=detailed_exitcode)
            receipt = Receipt(console, report, code)
            if profile_file is not None:
                sizes = {"calls": len(report.results)}
                receipt.save_profile(profile_file, lambda: spent.document("apply", cost, sizes))
            if report_file is not None:
                receipt.save(report_file)
            receipt.answer(form)
    return code


def _apply(
    targets: Targets,
    screen: "_Screen",
    interrupt: Interrupt,
    spent: Profile,
    timeout: float | None,
    lease_timeout: float,
) -> tuple[Report, ReadCost]:
    """Apply; once sending has begun, return what was sent whatever goes wrong."""
    console, settings = screen.console, screen.settings
    api = api_options(settings, os.environ)
    report, cost = None, ReadCost()
    try:
        with (
            Reading(console) as reading,
            Reader(api, on_progress=reading.take) as reader,
            writing_ledger(settings, os.environ, console.info, lambda: bool(interrupt)) as ledger,
        ):
            client = SpendClient(api)
            interrupt.abandons(client.abandon, reader.abandon)
            who, told = actor(os.environ, origin(settings).git), screen.watcher()
            tools = ApplyContext(settings, reader, client, ledger, who, told, interrupt, lease_timeout, spent)
            wait_for = screen.waiting(tools, timeout) if screen.waits else None
            report = apply_plan(targets, tools, screen.approve, screen.saved, wait_for)
            cost = reader.cost()
    except Exception as error:
        if not interrupt.is_sending:
            raise
        if report is None:
            report = screen.witness.report(error)
        else:
            console.error(f"an unexpected {type(error).__name__} came after the last call", "Report it as a bug.")
    return report, cost


def _confirmed(question: str) -> bool:
    """Ask on stderr; anything but yes is no. Raises click.Abort where the input ends.

    A signal that comes just before a read waits for it to return, so the read begins only once there is something.
    """
    while True:
        click.echo(f"{question} [y/N]: ", nl=False, err=True)
        with suppress(OSError, ValueError):  # what cannot be waited for is read at once
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
    """The apply's side towards the person: the plan and the question, each call's line, the bar while waiting."""

    def __init__(
        self, console: Console, settings: Settings, saved: SavedPlan | None, *, waits: bool, as_text: bool, yes: bool
    ) -> None:
        self.console = console
        self.settings = settings
        self.saved = saved
        self.waits = waits
        self._as_text = as_text
        self._yes = yes
        self._width = 0
        self._bar: Waiting | None = None
        self.witness = Witness()

    def approve(self, plan: Plan) -> str:
        """Show the plan and have it approved; return its id. Raises PlanError, SettingsError or click.Abort."""
        self.witness.plan_id, self.witness.in_doubt = self._approved(plan), plan.in_doubt
        return self.witness.plan_id

    def _approved(self, plan: Plan) -> str:
        self._width = max((len(addressed(call)) for call in plan.calls), default=0)
        allowed = effective_limits(self.settings.limits, self.settings.floor)
        text = plan_text(plan, allowed, (), self.console.paint, is_preview=False)
        if self.saved is not None and not (plan.calls or plan.waiting or plan.held_up or plan.in_doubt):
            text = "Nothing that the plan file approves is due any more."
        if self._as_text:
            self.console.answer(text + "\n")
        if self.saved is not None:
            return self.saved.plan_id
        if (plan.calls or (self.waits and plan.waiting)) and not self._yes:
            if not (sys.stdin.isatty() and self.console.is_terminal):
                raise SettingsError("there is no terminal to ask on", hint="Look at `reconciler plan`, then use --yes.")
            if not self._as_text:
                click.echo(text + "\n", err=True)
            if not _confirmed("Send these calls?"):
                raise PlanError("the plan was not approved; nothing was sent")
        plan_id: str = plan_file.document(plan, origin(self.settings))["plan_id"]
        return plan_id

    def watcher(self) -> ApplyEvents:
        """Return what the apply tells its progress to."""
        return ApplyEvents(self._result, self._poll, self._lost, self.console.info)

    def waiting(self, tools: ApplyContext, timeout: float | None) -> Callable[[Report, Collection[str]], Report]:
        """Return what waits for a wave, with a bar or plain lines; all waves together have `timeout` seconds."""
        waited = 0.0

        def wait(report: Report, others: Collection[str]) -> Report:
            nonlocal waited
            began = time.monotonic()
            awaited = [result for result in report.in_state(CallState.ACCEPTED) if result.settlement is None]
            cells = sum(map(bought_cells, awaited))
            with Waiting(self.console, cells) as self._bar:
                left = None if timeout is None else max(0.0, timeout - waited)
                found = send.wait(report, tools, left, others)
            waited += time.monotonic() - began
            return found

        return wait

    # What follows is called once there is something to lose, so none of it may fail.

    def _result(self, result: CallResult) -> None:
        self.witness.see(result)
        if self._as_text:
            try:
                line = result_text(result, self._width, self.console.paint)
            except Exception as error:
                line = f"{plain_line(result)} (unexpected {type(error).__name__} while showing it)"
            self.console.tell(line)

    def _poll(self, statuses: Mapping[str, TableStatus]) -> None:
        if self._bar is not None:
            self._bar.poll(statuses)

    def _lost(self, call: Call, ticket: Ticket, ending: Ending) -> None:
        record = self.witness.lose(call, ticket, ending)
        self.console.error(
            f"the ledger did not keep this outcome; keep it yourself: {record}",
            "Once the ledger can be written, end the doubt with `reconciler ledger resolve`.",
        )


@contextmanager
def interruptible(console: Console) -> Iterator[Interrupt]:
    """Let SIGINT, SIGTERM and SIGHUP cancel an apply that has sent nothing, and stop one that has.

    The first lets the calls in flight end, a second one ends the waiting for them, too. Once only the report is left,
    they change nothing.
    """
    interrupt = Interrupt()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if interrupt.is_sending:
            let_go_of_readers()
        if interrupt.is_over:
            return
        if not interrupt.is_sending:
            raise KeyboardInterrupt
        if interrupt:
            interrupt.insist()
            return
        interrupt.set()
        # Past Python's buffers: the signal may have come in the middle of a line that is being written.
        with suppress(OSError, ValueError, AttributeError):
            line = console.line("info", STOPPING, {})
            os.write(sys.stderr.fileno(), f"{chr(10) if console.is_terminal else ''}{line}\n".encode())

    numbers = [signal.SIGINT, signal.SIGTERM]
    # Windows has no SIGHUP, and `nohup` leaves it ignored.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            # The code of a program that has spent is settled: what comes between here and its end changes nothing.
            is_settled = interrupt.is_over and console.owns_process
            signal.signal(number, signal.SIG_IGN if is_settled else handler)
