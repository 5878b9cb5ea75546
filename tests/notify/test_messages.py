"""The content of a message: counts and addresses; no name in it does anything to whoever reads it."""

from reconciler.documents.notice_file import slack_document
from reconciler.model.attempt import Actor
from reconciler.model.notice import Notice, Occasion
from reconciler.model.plan import CallInDoubt
from reconciler.model.report import Report, Unsent
from reconciler.render.notice_text import report_notice


def test_a_name_in_slack_is_a_name() -> None:
    """It mentions no one, links nowhere and formats nothing; in services that are like Slack neither."""
    notice = Notice("apply", (Occasion.APPLIED,), 0, "<!channel> & <https://evil.example|here>", ("@here <@U1>",))
    said = slack_document(notice, "gtm", Actor("@all", "https://ci.example/runs/1"))
    assert said == {
        "text": "gtm: &lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;\n• ＠here &lt;＠U1&gt;\n"
        "Exit code 0, by ＠all, https://ci.example/runs/1",
        "mrkdwn": False,
    }


def test_an_apply_with_nothing_to_send_is_not_an_occasion() -> None:
    """A schedule applies every hour; what is left over is one, and so is a doubt from before."""
    assert report_notice(Report("p"), 0).occasions == ()
    unsent = Report("p", unsent=(Unsent("a/fill", "t", 3, "its table is running"),))
    assert report_notice(unsent, 6).occasions == (Occasion.APPLIED,)
    doubt = Report("p", in_doubt=(CallInDoubt("f" * 32, "a/fill", "t", 2, None, 5.0),))
    notice = report_notice(doubt, 7)
    assert notice.occasions == (Occasion.IN_DOUBT,)
    assert notice.lines == ("a/fill: 2 cells of call ffffffff in doubt, may have been paid for",)


def test_a_message_is_short() -> None:
    """However much there is to say."""
    unsent = tuple(Unsent("a/" + "x\x1b" * 900, "t", 3, "") for _ in range(500))
    notice = report_notice(Report("p", unsent=unsent), 6)
    assert (len(notice.lines), notice.lines[-1]) == (11, "and 490 more")
    assert max(map(len, notice.lines)) < 600
    assert "\x1b" not in "".join(notice.lines)
