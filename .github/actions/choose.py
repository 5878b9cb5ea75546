"""Choose from what GitHub's API answers on standard input, one JSON value after another.

`choose.py pull-request COMMIT` prints "NUMBER HEAD" of the pull request that COMMIT merged.
`choose.py run-of-commit HEAD` and `choose.py run-of-branch BRANCH` print the run that left the newest artifact for it.

An artifact counts only if it was made from this very repository: a fork may name a branch as it likes, and whoever owns
it wrote the workflow that ran there. Prints nothing where there is no such thing.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any


def values(text: str) -> Iterator[Any]:
    """Yield the JSON values that stand one after another, as pages do."""
    decoder, at = json.JSONDecoder(), 0
    text = text.strip()
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        yield value
        while at < len(text) and text[at].isspace():
            at += 1


def pull_request(commit: str, pages: Iterator[Any]) -> str:
    """Return the number and the last commit of the pull request that a commit merged."""
    found = [each for page in pages for each in page if each["merged_at"] and each["merge_commit_sha"] == commit]
    return f"{int(found[0]['number'])} {found[0]['head']['sha']}" if found else ""


def newest_run(key: str, wanted: str, pages: Iterator[Any]) -> str:
    """Return the id of the run whose artifact is the newest of those for a commit or a branch."""
    found = [each for page in pages for each in page["artifacts"] if not each["expired"]]
    ours = [
        each for each in found if each["workflow_run"]["head_repository_id"] == each["workflow_run"]["repository_id"]
    ]
    fitting = [each for each in ours if each["workflow_run"][key] == wanted]
    return str(int(max(fitting, key=lambda each: each["created_at"])["workflow_run"]["id"])) if fitting else ""


def main(what: str, wanted: str) -> None:
    """Read, choose, print."""
    pages = values(sys.stdin.read())
    if what == "pull-request":
        chosen = pull_request(wanted, pages)
    else:
        chosen = newest_run({"run-of-commit": "head_sha", "run-of-branch": "head_branch"}[what], wanted, pages)
    sys.stdout.write(chosen)


if __name__ == "__main__":
    main(*sys.argv[1:])
