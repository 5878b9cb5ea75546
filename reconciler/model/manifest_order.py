"""The order of manifests that depend on each other."""

from collections.abc import Iterable, Mapping

from reconciler.model.manifest import Manifest


def depths(manifests: Iterable[Manifest]) -> dict[str, int]:
    """Return the length of the longest chain of upstream manifests of each, counting only those in `manifests`."""
    listed = tuple(manifests)
    return before(listed, {manifest.name: 1 for manifest in listed})


def before(manifests: Iterable[Manifest], lasting: Mapping[str, int]) -> dict[str, int]:
    """Return by name the total before each manifest's turn; each takes as long as `lasting` says, or 0."""
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
