"""Settings → connections to the API and the ledger.

The token goes from the environment into the client and nowhere else. Nothing here prints: messages for a person go to
`tell`.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime

from reconciler import client
from reconciler import ledger as ledgers
from reconciler.client import ApiOptions, Reader, Token
from reconciler.errors import SettingsError
from reconciler.model.attempt import Actor
from reconciler.model.origin import Origin
from reconciler.model.reading import ReadCost, ReadProgress
from reconciler.operations.apply_events import Interrupt
from reconciler.operations.profile import Profile
from reconciler.settings.ci import is_ci
from reconciler.settings.network import api_network
from reconciler.settings.provenance import actor, git_state
from reconciler.settings.settings import Settings, check_recipient, ledger_address, read_token
from reconciler.text.addresses import is_server
from reconciler.text.codes import Code
from reconciler.text.numbers import rfc3339
from reconciler.text.sanitize import one_line
from reconciler.version import __version__

NO_LEDGER_IN_CI_HINT = (
    "Share one between all jobs: RECONCILER_LEDGER=postgresql://… "
    "If this file is kept between jobs and really should start empty, run `reconciler ledger init` once."
)


def api_options(settings: Settings, environment: Mapping[str, str]) -> ApiOptions:
    """Return the API's settings with the token. Raises SettingsError."""
    check_recipient(settings)
    api = settings.project.api
    return ApiOptions(
        base_url=settings.api_url,
        token=Token(read_token(environment)),
        concurrency=api.concurrency,
        timeout_seconds=api.timeout_seconds,
        page_rows=api.page_rows,
        call_seconds=api.spend.call_seconds,
        network=api_network(settings, environment),
    )


class Connections:
    """The API and the ledger of one session, each opened on first use."""

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        tell: Callable[[str], None],
        on_progress: Callable[[ReadProgress], None] | None,
    ) -> None:
        self.settings = settings
        self.environment = environment
        self.tell = tell
        self.profile = Profile()
        self.interrupt = Interrupt()
        """Of the current or last apply: once it is set, the store is only waited for briefly."""
        self.admit: Callable[[], object] | None = None
        """Called before each read, e.g. to wait for its turn among those of other machines."""
        self._on_progress = on_progress
        self._is_over = False
        self._stack = ExitStack()
        self._reader: Reader | None = None
        self._ledger: ledgers.Ledger | None = None

    def close(self) -> None:
        """Close what is open; it opens again on its next use."""
        self._reader, self._ledger = None, None
        self._stack.close()

    def end(self) -> None:
        """Close what is open, for good: whatever opened again would never be closed."""
        self._is_over = True
        self.close()

    def _check_open(self) -> None:
        """Raise SettingsError after `end`."""
        if self._is_over:
            hint = "Call its methods within `with open_session(…)`, or open another one."
            raise SettingsError("the session is closed", hint=hint)

    def reader(self) -> Reader:
        """Return the reader. Raises SettingsError, e.g. if there is no token."""
        self._check_open()
        if self._reader is None:
            options = api_options(self.settings, self.environment)
            self._reader = self._stack.enter_context(Reader(options, on_progress=self._on_progress, admit=self.admit))
        return self._reader

    def ledger(self) -> "ledgers.Ledger":
        """Return the ledger, for callers that write nothing or create one on purpose. Raises SettingsError."""
        self._check_open()
        if self._ledger is None:
            by_project = self.settings.named_ledger is None
            ledger = ledgers.open_ledger(
                ledger_address(self.settings),
                by_project=by_project,
                interrupted=lambda: bool(self.interrupt),
                connections=self.settings.project.most_ledger_connections,
            )
            self._ledger = self._stack.enter_context(ledger)
        return self._ledger

    def to_observe(self) -> tuple[Reader, ledgers.Recalls]:
        """Return the reader and the ledger, for an observation that writes nothing. Raises SettingsError."""
        return self.reader(), self._no_ledger() or self.ledger()

    def _no_ledger(self) -> ledgers.NoLedger | None:
        """Return what stands in for a ledger in a file that is not there, if nothing else has asked for it."""
        address = ledger_address(self.settings)
        return None if self._ledger is not None or is_server(address) else ledgers.no_ledger_at(address)

    def writing_ledger(self) -> "ledgers.Ledger":
        """Return the ledger for writing; `allow_new` decides whether it may be created. Raises SettingsError."""
        ledger = self.ledger()
        allow_new(ledger, self.environment, self.tell)
        return ledger

    def spend_client(self) -> "client.SpendClient":
        """Return the client that sends run calls. Raises SettingsError."""
        return client.SpendClient(api_options(self.settings, self.environment))

    def actor(self) -> Actor:
        """Return who runs this, and at which commit."""
        return actor(self.environment, git_state(self.settings.root))

    def cost(self) -> ReadCost:
        """Return the cost of reading since the reader was opened."""
        return ReadCost() if self._reader is None else self._reader.cost()


def allow_new(ledger: "ledgers.Ledger", environment: Mapping[str, str], tell: Callable[[str], None]) -> None:
    """Refuse to create a ledger in CI, and otherwise tell the person that one is created. Raises SettingsError.

    A CI job's disk is thrown away: a ledger created there would be empty and lost again, and everything bought twice.
    """
    if ledger.is_there():
        return
    if is_ci(environment):
        raise SettingsError(
            f"there is no ledger at {one_line(ledger.location)}, and in CI a command creates none: a new one would not "
            "know what was bought before, and all of it would be bought again",
            hint=NO_LEDGER_IN_CI_HINT,
            code=Code.UNUSABLE_LEDGER,
        )
    tell(f"There is no ledger at {one_line(ledger.location)} yet: it is created with its first record.")


def origin(settings: Settings, tell: Callable[[str], None] = lambda _: None) -> Origin:
    """Return where and when a plan is made; `tell` receives the reason if git cannot name the commit."""
    return Origin(rfc3339(datetime.now(UTC)), __version__, settings.api_url, git_state(settings.root, tell))
