"""`doctor`: looks at everything that a command rests on, and goes on where a command would stop.

Nothing is written, nothing is bought, and no secret is in what it returns. Each check stands alone: what it raises
becomes its result.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.errors import ManifestError, ReconcilerError, SettingsError
from reconciler.model.checkup import Check, Checkup, Finding, Route, SettingOrigin
from reconciler.model.limits import Limits
from reconciler.model.network import Network
from reconciler.operations.doctor_api import Clocks, check_api, check_token
from reconciler.operations.doctor_ledger import check_ledger, ledger_route, ledger_shown
from reconciler.operations.setting_origins import project_file_of, setting_origins
from reconciler.operations.validate import validate
from reconciler.settings.ci import is_ci
from reconciler.settings.git import work_tree
from reconciler.settings.network import api_network, network_of
from reconciler.settings.project_file import DEFAULT_PROJECT
from reconciler.settings.provenance import actor, read_git_state, review
from reconciler.settings.settings import Flags, Settings, settings_and_problems
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

_LONGEST = 2000


def examine(flags: Flags, environment: Mapping[str, str], *, now: Callable[[], float] = time.time) -> Checkup:
    """Return what is in order and what is wrong, with how to mend it. Raises nothing that a setting can cause.

    Also where the project file is broken: the rest is then looked at as flags and environment have it. Sends at most
    two GETs to the API, tries each once, and gives up what takes too long. `now` returns seconds since the epoch.
    """
    settings, is_whole, checks = _loaded(flags, environment)
    return _examined(settings, environment, checks, now, is_whole=is_whole)


def examine_settings(
    settings: Settings, environment: Mapping[str, str], *, now: Callable[[], float] = time.time
) -> Checkup:
    """Return the same of settings that are loaded already."""
    checks = _guarded("project", lambda: _check_project(settings))
    checks += _guarded("manifests", lambda: _check_manifests(settings))
    return _examined(settings, environment, checks, now, is_whole=True)


def _examined(
    settings: Settings,
    environment: Mapping[str, str],
    checks: list[Check],
    now: Callable[[], float],
    *,
    is_whole: bool,
) -> Checkup:
    """Go on after the checks of project and manifests; `is_whole` if the project file has no problems."""
    checks += _guarded("network", lambda: _check_network(settings, environment))
    network = None if checks[-1].finding is Finding.WRONG else api_network(settings, environment)
    clocks = Clocks(now)
    checks += _guarded("token", lambda: check_token(environment))
    if network is not None:
        checks += _guarded("API", lambda: check_api(settings, environment, clocks))
    if is_whole or settings.named_ledger is not None:
        checks += _guarded("ledger", lambda: check_ledger(settings, is_ci=is_ci(environment), clocks=clocks))
    else:
        message = "not looked at: the project file may name it, and cannot be read"
        checks.append(Check("ledger", Finding.NOTE, message))
    checks += clocks.checks()
    checks += _guarded("git", lambda: _check_git(settings.root))
    checks += _guarded("CI", lambda: _check_ci(environment))
    return Checkup(
        tuple(checks),
        _origins(settings, network) if is_whole and network is not None else (),
        tuple(_routes(settings, environment, network)) if network is not None else (),
    )


def _guarded(topic: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    """Return the results of a check; whatever goes wrong with it is one."""
    found: list[Check] = []
    try:
        found.extend(look())
    except ManifestError as error:
        found += [_of_problem(topic, error)]
    except ReconcilerError as error:
        found.append(Check.of_error(topic, error))
    except OSError as error:
        where = f"{one_line(str(error.filename))}: " if error.filename else ""
        found.append(Check(topic, Finding.WRONG, f"{where}{error.strerror or type(error).__name__}"))
    except Exception as error:  # one that dies tells nothing of the rest; the text may hold a secret
        found.append(Check(topic, Finding.WRONG, f"unexpected {type(error).__name__}", "Report it as a bug."))
    return found


def _of_problem(topic: str, error: ManifestError) -> Check:
    first, *others = error.problems
    more = f", and {counted(len(others), 'more problem')}" if others else ""
    hint = first.hint or "`reconciler validate` lists every problem at its line."
    return Check(topic, Finding.WRONG, f"{first.location}: {first.code} {first.message}{more}", hint, first.code)


def _loaded(flags: Flags, environment: Mapping[str, str]) -> tuple[Settings, bool, list[Check]]:
    """Return the settings, whether they are whole, and the results for project and manifests."""
    loaded: list[Settings] = []
    problems: list[Diagnostic] = []

    def load() -> Iterator[Check]:
        settings, found = settings_and_problems(flags, environment)
        loaded.append(settings)
        problems.extend(found)
        if found:
            raise ManifestError(found)
        yield from _check_project(settings)

    checks = _guarded("project", load)
    if not loaded:
        return _without_project(flags, environment), False, checks
    checks += _guarded("manifests", lambda: _check_manifests(loaded[0]))
    return loaded[0], not problems, checks


def _without_project(flags: Flags, environment: Mapping[str, str]) -> Settings:
    """Return what flags and environment say by themselves."""
    return Settings(
        project=DEFAULT_PROJECT,
        root=Path(),
        limits=Limits(),
        named_url=flags.api_url or environment.get("EXTRUCT_API_URL") or None,
        url_source="--api-url" if flags.api_url else "EXTRUCT_API_URL",
        named_ledger=flags.ledger if flags.ledger is not None else environment.get("RECONCILER_LEDGER"),
        ledger_source="--ledger" if flags.ledger is not None else "RECONCILER_LEDGER",
        ca_bundle=flags.ca_bundle,
    )


def _check_project(settings: Settings) -> Iterator[Check]:
    file = project_file_of(settings)
    if file is None:
        message = f"there is no project file in {one_line(str(Path.cwd()), _LONGEST)} or above, so defaults hold"
        yield Check("project", Finding.NOTE, message, "`reconciler init` writes a first one.")
        return
    source = settings.project_source or "the nearest folder that has one"
    yield Check("project", Finding.OK, f"{one_line(str(file), _LONGEST)}, from {source}")


def _check_manifests(settings: Settings) -> Iterator[Check]:
    try:
        found = validate(settings, ())
    except SettingsError as error:  # none, or no folder
        yield Check("manifests", Finding.NOTE, error.message, error.hint)
        return
    if found.problems:
        yield _of_problem("manifests", ManifestError(found.problems))
        return
    runs = sum(len(manifest.runs) for manifest in found.manifests)
    yield Check("manifests", Finding.OK, f"{counted(len(found.manifests), 'manifest')}, {counted(runs, 'run')}")


def _check_network(settings: Settings, environment: Mapping[str, str]) -> Iterator[Check]:
    network = api_network(settings, environment)
    proxy = network.proxy_for(settings.api_url)
    way = "directly" if proxy is None else f"through {proxy}"
    trust = f", trusting {network.trust}" if settings.api_url.startswith("https:") else ""
    yield Check("network", Finding.OK, one_line(f"the API is reached {way}{trust}", _LONGEST))


def _check_git(root: Path) -> Iterator[Check]:
    if work_tree(root) is None:
        message = "the project is not in a git work tree, so plans and the ledger name no commit"
        yield Check("git", Finding.NOTE, message)
        return
    state = read_git_state(root)
    if state is None:
        yield Check("git", Finding.NOTE, "nothing is committed yet, so plans and the ledger name no commit")
        return
    changes = ", with changes that are not committed" if state.dirty else ""
    yield Check("git", Finding.OK, f"commit {state.sha[:12]}{changes}")


def _check_ci(environment: Mapping[str, str]) -> Iterator[Check]:
    if not is_ci(environment):
        yield Check("CI", Finding.OK, "this is not a CI job (CI is not set)")
        return
    who = actor(environment, None)
    run = f", run {who.ci_run}" if who.ci_run else ""
    change = review(environment)
    of = f", for change {change.number} of {change.repository}" if change else ""
    said = f"a job of {one_line(who.name)}{run}{of}: nothing is asked, and only `ledger init` creates a ledger"
    yield Check("CI", Finding.OK, one_line(said, _LONGEST))


def _origins(settings: Settings, network: Network) -> tuple[SettingOrigin, ...]:
    return tuple(setting_origins(settings, settings.limits, network, ledger_shown(settings)))


def _routes(settings: Settings, environment: Mapping[str, str], network: Network) -> Iterator[Route]:
    """Yield the way to the API, to the CI's forge, to hosts of webhooks and to the ledger's server."""
    yield _route(settings.api_url, network)
    forge = {
        "GITHUB_ACTIONS": environment.get("GITHUB_API_URL") or "https://api.github.com",
        "GITLAB_CI": environment.get("CI_API_V4_URL") or "https://gitlab.com/api/v4",
    }
    for variable, url in forge.items():
        if environment.get(variable) == "true":
            yield _route(url, network_of(environment, settings.ca_bundle))
    if settings.project.notify:
        for host in sorted(settings.notify_hosts):
            yield _route(f"https://{host}", network_of(environment, settings.ca_bundle))
    yield from ledger_route(settings)


def _route(url: str, network: Network) -> Route:
    try:
        parts = urlsplit(url)
    except ValueError:
        return Route("an address that is not understood", "", "")
    trust = str(network.trust) if parts.scheme == "https" else ""
    host = parts.netloc.rpartition("@")[2]
    try:
        proxy = network.proxy_for(url)
        way = "" if proxy is None else f"{proxy.url} ({proxy.source})"
    except SettingsError as error:
        way = error.message
    return Route(one_line(host), way, one_line(trust, _LONGEST))
