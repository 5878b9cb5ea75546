"""From an empty folder to a reviewed, applied plan on GitHub: the guide's files in a real runner."""

from tests.gitops.hosted_repository import ADD, Hosted


def test_from_nothing_to_an_applied_plan(hosted: Hosted) -> None:
    """Planned with a comment, merged, applied."""
    hosted.branch("change", ADD)
    ran = hosted.plan("change")
    print(ran.log)
    assert ran.succeeded
    before = hosted.shell("git rev-parse main")
    hosted.merge("change")
    ran = hosted.push(before)
    print(ran.log, hosted.github.comments, hosted.github.issues, ran.processes)
    assert ran.succeeded
