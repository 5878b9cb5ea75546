"""Which manifest comes before which."""

from collections.abc import Iterable, Mapping

from reconciler.model.manifest import Manifest


def depths(manifests: Iterable[Manifest]) -> dict[str, int]:
    """Return how many manifests stand in a row above each; those that are not among `manifests` do not count."""
    listed = tuple(manifests)
    return before(listed, {manifest.name: 1 for manifest in listed})


def before(manifests: Iterable[Manifest], lasting: Mapping[str, int]) -> dict[str, int]:
    """Return by name how much passes before each manifest's turn, where each lasts as long as `lasting` says, or 0."""
    known = {manifest.name: manifest for manifest in manifests}
    found: dict[str, int] = {}
    for start in known:
        pending = [start]
        while pending:
            name = pending[-1]
            above = [named.text for named in known[name].upstream if named.text in known]
            missing = [other for other in above if other not in found]
            if missing:
                pending += missing
            else:
                found[name] = max((found[other] + lasting.get(other, 0) for other in above), default=0)
                pending.pop()
    return found
