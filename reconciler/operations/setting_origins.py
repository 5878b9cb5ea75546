"""Each setting in force, with what set it."""

from collections.abc import Iterator
from pathlib import Path

from reconciler.model.checkup import SettingOrigin
from reconciler.model.limits import Limits
from reconciler.model.network import Network
from reconciler.settings.settings import Settings


def project_file_of(settings: Settings) -> Path | None:
    """Return the absolute path of the project file, its own name kept if it is a link; None if there is none."""
    file = settings.project_file
    return None if file is None else file.parent.resolve() / file.name


def setting_origins(settings: Settings, limits: Limits, network: Network, ledger: str) -> Iterator[SettingOrigin]:
    """Yield each setting with its origin; `ledger` is the ledger's location as people may see it."""
    file = project_file_of(settings)
    if file is None:
        yield SettingOrigin("project", "none", f"{Path.cwd()}, where no project file was found, nor above")
    else:
        source = settings.project_source or "the nearest folder that has one"
        yield SettingOrigin("project", str(file), source)
    yield SettingOrigin("ledger", ledger, settings.ledger_origin)
    # An address with a password is refused, but only once the API is asked.
    yield SettingOrigin("API", settings.api_url.rpartition("@")[2], settings.url_origin)
    proxy, trust = network.proxy_for(settings.api_url), network.trust
    source = proxy.source if proxy else "the default, or NO_PROXY"
    yield SettingOrigin("API's proxy", proxy.url if proxy else "none", source)
    yield SettingOrigin("certificates", trust.path or "the system's", trust.source or "the default")
    for name, limit in (("max_credits", limits.max_credits), ("max_cells", limits.max_cells)):
        if limit is not None:
            yield SettingOrigin(name, f"{limit.value:f}", limit.set_at)
    if limits.min_balance is not None:
        yield SettingOrigin("min_balance", f"{limits.min_balance.value:f}", limits.min_balance.set_at)
    if limits.organization is not None:
        yield SettingOrigin("organization", ", ".join(limits.organization.allowed), limits.organization.set_at)
