"""The journey's desk, and a forge to post comments to."""

from collections.abc import Iterator

import pytest

from tests.gitops.github_api import serve_github
from tests.gitops.gitlab_api import serve_gitlab
from tests.journey.conftest import desk, make_desk
from tests.review.commented import Commented

__all__ = ["desk", "forge", "make_desk"]


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
