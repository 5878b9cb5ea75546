"""The journey's desk, and a forge to post comments to."""

from collections.abc import Iterator

import pytest

from reconciler.client.http.retry import RetryTiming
from reconciler.forge import http
from tests.gitops.github_api import serve_github
from tests.gitops.gitlab_api import serve_gitlab
from tests.journey.conftest import desk, make_desk
from tests.review.commented import Commented

__all__ = ["desk", "forge", "make_desk"]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands ask a forge again at once; how long they wait is tested with a clock of its own."""
    monkeypatch.setattr(http, "RetryTiming", lambda sleep, random: RetryTiming(lambda _: None, random))


@pytest.fixture(params=["github", "gitlab"])
def forge(request: pytest.FixtureRequest) -> Iterator[Commented]:
    """Return either forge, with change 7."""
    if request.param == "github":
        with serve_github() as github:
            yield Commented(github)
    else:
        with serve_gitlab() as gitlab:
            gitlab.merge_request(7, "a" * 40, "2026-03-01T12:00:00Z", state="opened")
            yield Commented(gitlab)
