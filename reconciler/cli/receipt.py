"""The final output of an apply. Its exit code follows its outcomes, even if the output fails."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.cli.console import Console
from reconciler.cli.pages import assets, parted
from reconciler.cli.plan_outcome import append_summary
from reconciler.documents import report_file
from reconciler.errors import SettingsError
from reconciler.model.attempt import CallResult
from reconciler.model.history import CallState
from reconciler.model.report import Report
from reconciler.operations.atomic_file import Outlet, profile_text, refuse_own_files
from reconciler.render.colour import plain
from reconciler.render.page.report_page import report_page
from reconciler.render.report_markdown import report_markdown
from reconciler.render.report_text import report_text, result_text
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line


def outlet(option: str, path: str, kept: Iterable[Path] = ()) -> Outlet:
    """Return the destination of an option's file. Raises SettingsError if it cannot be written.

    The same goes for a file that the project itself needs: `kept`.
    """
    refuse_own_files(option, path, kept)
    try:
        return Outlet(path)
    except OSError as error:
        raise SettingsError(
            f"{option} cannot be written, so nothing was sent: {one_line(path)}: {error.strerror}",
            hint="Name a writable file in an existing folder.",
            code=Code.UNUSABLE_FILE,
        ) from None


class Receipt:
    """Writes the result of an apply, each part even if the others fail."""

    def __init__(self, console: Console, report: Report, exit_code: int, *, rows: bool = False) -> None:
        """`rows` names the rows of cells that are not done."""
        self._console = console
        self._report = report
        self._exit_code = exit_code
        self._rows = rows
        self._is_whole = True
        """False once a part of it could not be written."""

    def save_profile(self, file: Outlet, profile: Callable[[Mapping[str, int]], dict[str, Any]]) -> None:
        """Write `--profile`; `profile` receives the amount of work."""
        sizes = {"calls": len(self._report.results)}
        self._try("the profile was not saved", lambda: file.write(profile_text(profile(sizes))))

    def give(self, form: str, outlets: Mapping[str, Outlet]) -> None:
        """Write the files of `--out`, by name, then the report to stdout in the requested form.

        If anything could not be written, now or before, the report also goes to stderr as text.
        """
        pages, _ = parted(outlets)
        for name, file in outlets.items():
            self._try("the report was not saved", partial(self._save, file, "html" if name in pages else "json"))
        self._try("the report was not written", lambda: self._answer(form))
        if not self._is_whole:
            self._console.say("What was applied:")
            if not self._try("the report cannot be shown as text", self._say_all):
                self._console.say("\n".join(map(plain_line, self._report.results)))

    def tell_troubles(self) -> None:
        """Write the lines of calls that were sent and not accepted, for whoever was not there when they were."""
        endings = ((each, each.ending) for each in self._report.results)
        troubled = [each for each, ending in endings if ending and ending.state is not CallState.ACCEPTED]
        if troubled:
            self._try("the calls' lines were not written", lambda: self._console.tell(self._lines(troubled)))

    def _lines(self, results: Iterable[CallResult]) -> str:
        return "\n".join(self._console.fit(result_text(each, 0, self._console.paint)) for each in results)

    def _save(self, file: Outlet, form: str) -> None:
        file.write(self._told(form).rstrip("\n") + "\n")

    def _answer(self, form: str) -> None:
        text = self._told(form)
        self._is_whole &= self._console.tell(text)
        if form == "markdown":
            self._try("the page of the CI's job has no receipt", lambda: append_summary(text))

    def _told(self, form: str) -> str:
        if form == "markdown":
            return report_markdown(self._document())
        if form == "html":
            return report_page(self._document(), assets())
        if form == "json":
            return self._json()
        space = "\n" if self._report.results else ""  # below the calls' own lines
        text = report_text(self._report, self._console.paint, self._exit_code, rows=self._rows)
        return space + self._console.fit(text)

    def _say_all(self) -> None:
        """Write the whole report to stderr: the calls' own lines, which stdout may also lack, and the end."""
        lines = [result_text(result, 0, plain) for result in self._report.results]
        text = report_text(self._report, plain, self._exit_code)
        self._console.say("\n".join([*lines, *([""] if lines else []), text]))

    def _document(self) -> dict[str, Any]:
        return report_file.document(self._report, self._exit_code)

    def _json(self) -> str:
        return json.dumps(self._document(), indent=2, ensure_ascii=True)

    def _try(self, complaint: str, part: Callable[[], object]) -> bool:
        try:
            part()
        except OSError as error:
            said = error.strerror or type(error).__name__
            self._console.error(f"{complaint}: {said}", "The ledger and the exit code still say what was sent.")
        except Exception as error:
            self._console.error(f"{complaint}: unexpected {type(error).__name__}", "Report it as a bug.")
        else:
            return True
        self._is_whole = False
        return False


def plain_line(result: CallResult) -> str:
    """Return a call's outcome without any formatting that could fail."""
    state = result.ending.state.value if result.ending else "not tried"
    return f"{result.call.id} {one_line(result.call.address)} {state}"
