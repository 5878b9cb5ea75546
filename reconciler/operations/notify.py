"""Telling webhooks how an apply or a look for drift ended: after everything is recorded, for a limited time, and
without a say in the exit code.

Each webhook has a thread of its own, which nothing waits for beyond the deadline: looking up a name cannot be cut off.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from reconciler import client
from reconciler.documents import report_file
from reconciler.documents.notice_file import notice_document, slack_document
from reconciler.documents.status_file import drift_part
from reconciler.errors import Leased, LimitExceeded, ReconcilerError, StalePlan
from reconciler.model.history import CallState
from reconciler.model.notice import Notice, NoticeForm, Webhook
from reconciler.model.report import ExitCode, Report
from reconciler.operations.apply_events import Interrupt
from reconciler.planning.drift import DriftReport
from reconciler.render.notice_text import drift_notice, refusal_notice, report_notice
from reconciler.settings.network import network_of
from reconciler.settings.provenance import actor
from reconciler.settings.settings import Settings
from reconciler.text.numbers import rfc3339
from reconciler.text.sanitize import one_line

SECONDS = 20.0
"""For all webhooks and tries together."""
SECONDS_IF_INTERRUPTED = 5.0
"""If the apply was asked to end."""
MOST_CAUSES = 100
_POLL_SECONDS = 0.05

Outcome: TypeAlias = Report | DriftReport | ReconcilerError


def notify(
    outcome: Outcome,
    exit_code: int | None,
    settings: Settings,
    environment: Mapping[str, str],
    tell: Callable[[str], None],
    interrupt: Interrupt,
) -> None:
    """Tell every webhook that wants to hear of an outcome. Raises nothing; `tell` hears of each that was not reached.

    Returns after SECONDS at most, whatever receivers do, and at once if `interrupt` is in a hurry.
    """
    try:
        notice = _notice(outcome, exit_code)
        hooks = [hook for hook in settings.project.notify if not hook.on.isdisjoint(notice.occasions)]
        if hooks:
            _Delivery(hooks, settings, environment, tell).run(notice, interrupt)
    except Exception as error:
        tell(f"No notification was sent, because of an unexpected {type(error).__name__}. Report it as a bug.")


def _notice(outcome: Outcome, exit_code: int | None) -> Notice:
    if isinstance(outcome, Report):
        code = outcome.exit_code() if exit_code is None else exit_code
        content = report_file.document(outcome, code)
        doubts = [call.id for call in outcome.in_doubt]
        doubts += [result.call.id for result in outcome.in_state(CallState.IN_DOUBT)]
        facts = {"plan_id": outcome.plan_id, "totals": content["totals"], "in_doubt": doubts}
        return replace(report_notice(outcome, code), facts=facts)
    if isinstance(outcome, DriftReport):
        code = (ExitCode.CHANGES if outcome.has_drifted else ExitCode.OK) if exit_code is None else exit_code
        if code != ExitCode.CHANGES:
            return Notice("drift", (), code, "")
        facts = {"causes": [drift_part(each) for each in outcome.causes[:MOST_CAUSES]]}
        return replace(drift_notice(outcome, code), facts=facts)
    if not isinstance(outcome, LimitExceeded | StalePlan | Leased):
        return Notice("apply", (), ExitCode.of(outcome), "")
    return refusal_notice(outcome, ExitCode.of(outcome))


class _Delivery:
    """The posting of one notice."""

    def __init__(
        self,
        hooks: list[Webhook],
        settings: Settings,
        environment: Mapping[str, str],
        tell: Callable[[str], None],
    ) -> None:
        self._hooks = hooks
        self._settings = settings
        self._environment = environment
        self._tell = tell
        self._is_over = threading.Event()
        self._why_not: dict[int, str] = {}
        """The number of a webhook that is done → why it was not told; empty if it was."""

    def run(self, notice: Notice, interrupt: Interrupt) -> None:
        """Post to all at once, and wait until they are done, the time is over or a signal comes."""
        bodies = self._bodies(notice)
        seconds = SECONDS_IF_INTERRUPTED if interrupt else SECONDS
        until = time.monotonic() + seconds
        for number, hook in enumerate(self._hooks):
            work = (number, hook, json.dumps(bodies[hook.form]).encode())
            threading.Thread(target=self._post, args=work, name="reconciler-notify", daemon=True).start()
        late = f"it was not told within {seconds:g} s"
        try:
            while len(self._why_not) < len(self._hooks) and time.monotonic() < until:
                if interrupt.is_hurried:
                    late = "a signal came first"
                    break
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            late = "a signal came first"
        self._is_over.set()
        for number, hook in enumerate(self._hooks):
            why = dict(self._why_not).get(number, late)
            if why:
                self._tell(f"The webhook in {one_line(hook.variable)} was not told how this ended: {why}.")

    def _bodies(self, notice: Notice) -> dict[NoticeForm, object]:
        file = self._settings.project_file
        project = one_line((Path.cwd() if file is None else file.parent.resolve()).name)
        # Without the commit: asking git for it may take a minute.
        by = actor(self._environment, None)
        return {
            NoticeForm.SLACK: slack_document(notice, project, by),
            NoticeForm.JSON: notice_document(notice, project, by, rfc3339(datetime.now(UTC)), uuid.uuid4().hex),
        }

    def _post(self, number: int, hook: Webhook, body: bytes) -> None:
        try:
            address = self._environment.get(hook.variable, "").strip()
            if not address:
                raise client.NotDelivered("the variable is not set")
            network = network_of(self._environment, self._settings.ca_bundle)
            client.deliver(client.Post(address, body, self._settings.notify_hosts, network), self._is_over.wait)
            self._why_not[number] = ""
        except client.NotDelivered as error:
            self._why_not[number] = error.words
        except ReconcilerError as error:
            self._why_not[number] = error.message
        except Exception as error:
            self._why_not[number] = f"an unexpected {type(error).__name__}"
