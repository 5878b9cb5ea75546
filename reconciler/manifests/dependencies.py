"""Checks `depends_on` and `child_of`: every manifest named exists, and there are no cycles."""

from collections.abc import Iterable, Mapping, Sequence

from reconciler.model.manifest import Manifest
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic
from reconciler.text.phrases import did_you_mean, quote


def dependency_problems(manifests: Sequence[Manifest]) -> list[Diagnostic]:
    """Return one problem per unknown manifest name, and one per cycle."""
    known = {manifest.name: manifest for manifest in manifests if manifest.name}
    problems = []
    for manifest in manifests:
        for named in manifest.upstream:
            if named.text not in known:
                guess = did_you_mean(named.text, known)
                message = f"there is no manifest {quote(named.text)}{guess}"
                problems.append(
                    Diagnostic(
                        named.location,
                        Code.UNKNOWN_MANIFEST,
                        message,
                        "Name a manifest that is planned together with this one.",
                    )
                )
    return [*problems, *_cycles(known)]


def _cycles(known: Mapping[str, Manifest]) -> Iterable[Diagnostic]:
    """Yield each cycle once, at the place that closes it."""
    done: set[str] = set()
    for start in sorted(known):
        path: list[str] = []
        pending = [(start, 0)]
        while pending:
            name, turn = pending.pop()
            if turn == 0:
                if name in done:
                    continue
                path.append(name)
            upstream = [named for named in known[name].upstream if named.text in known]
            if turn == len(upstream):
                done.add(path.pop())
                continue
            pending.append((name, turn + 1))
            named = upstream[turn]
            if named.text in path:
                ring = [*path[path.index(named.text) :], named.text]
                # Each manifest waits for the next.
                text = " → ".join(map(quote, ring))
                yield Diagnostic(
                    named.location,
                    Code.CIRCULAR_MANIFESTS,
                    f"these manifests wait for each other: {text}",
                    "Remove one of these references.",
                )
            else:
                pending.append((named.text, 0))
