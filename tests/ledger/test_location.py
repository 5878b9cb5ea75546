"""`--ledger` is understood or refused, and no password is ever shown."""

from pathlib import Path

import pytest

from reconciler.errors import LedgerError, SettingsError
from reconciler.ledger import file_place, location, no_ledger_at, open_ledger

MOUNTS = """\
/dev/vda1 / ext4 rw 0 0
server:/export /mnt/nfs nfs4 rw 0 0
//server/share /mnt/with\\040space cifs rw 0 0
drvfs /mnt/c 9p rw 0 0
me@host: /home/me/remote fuse.sshfs rw 0 0
/dev/vdb1 /mnt/nfs/local ext4 rw 0 0
server:/x /over nfs rw 0 0
/dev/vdc1 /over xfs rw 0 0
short line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/.reconciler/ledger.db", None),
        ("/mnt/nfs/ledger.db", "nfs4"),
        ("/mnt/nfsx/ledger.db", None),
        ("/mnt/with space/a/ledger.db", "cifs"),
        ("/mnt/c/Users/me/ledger.db", "9p"),
        ("/home/me/remote/ledger.db", "fuse.sshfs"),
        ("/mnt/nfs/local/ledger.db", None),
        ("/over/ledger.db", None),
    ],
)
def test_network_file_systems_are_recognised(path: str, kind: str | None) -> None:
    """By the longest mount point; of two on one point the later."""
    assert file_place.network_file_system(Path(path), MOUNTS) == kind


def test_a_ledger_on_a_network_file_system_is_refused() -> None:
    """With its type and the way out."""
    place = Path("/mnt/nfs/ledger.db")
    with pytest.raises(SettingsError, match="nfs4") as caught:
        file_place.refuse_network_file_system(place, str(place), MOUNTS)
    assert "postgresql://" in caught.value.hint
    file_place.refuse_network_file_system(place, str(place), "")


def test_a_link_to_itself_is_a_ledger_that_cannot_be_written(tmp_path: Path) -> None:
    """Reading finds none there, as behind any other link that leads nowhere."""
    place = tmp_path / "ledger.db"
    place.symlink_to(place)
    assert no_ledger_at(str(place)) is not None
    with open_ledger(str(place)) as ledger:
        assert not ledger.is_there()
        with pytest.raises(LedgerError):
            ledger.initialise()


def test_a_path_that_the_system_cannot_look_at_is_an_error_of_the_ledger(tmp_path: Path) -> None:
    """Its name is too long, as in a folder that may not be entered: no reading takes that for an empty ledger."""
    place = str(tmp_path / ("x" * 300 + ".db"))
    assert no_ledger_at(place) is None
    with open_ledger(place) as ledger, pytest.raises(LedgerError, match="too long"):
        ledger.recall(["a"])


@pytest.mark.parametrize("text", ["ledger.db", "sqlite:///ledger.db", "a folder/ledger.db", "sqlite:////tmp/x.db"])
def test_paths_are_sqlite_files(text: str) -> None:
    """Plain or as a URL; shown as the person wrote them."""
    shown = text.removeprefix("sqlite:///")
    place = location.parse(text)
    assert (place.shown, place.path, place.url) == (shown, Path(shown).absolute(), None)


@pytest.mark.parametrize(
    "text", ["", "sqlite://", "sqlite:///", "sqlite:///:memory:", ":memory:", "file:x?mode=memory", "a\0b", "/tmp"]
)
def test_what_cannot_be_a_ledger_file_is_refused(text: str) -> None:
    """A memory forgets, a folder is not a file."""
    with pytest.raises(SettingsError):
        location.parse(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgres://me@h:5433/d", "postgresql://h:5433/d"),
        ("postgresql+psycopg://me:s3cret@h/d?sslmode=require", "postgresql://h/d"),
        ("postgresql://me:pa/s3cret@h/d", "postgresql://h/d"),
        ("postgresql://s3cret@h/d", "postgresql://h/d"),
        ("postgresql://:s%33cret@h1,h2/d", "postgresql://h1,h2/d"),
        ("postgresql://[::1]:5433/d", "postgresql://[::1]:5433/d"),
        ("postgresql://%2Frun%2Fpostgresql/d", "postgresql://%2Frun%2Fpostgresql/d"),
        *(
            (f"postgresql://h/d?{name}=s3cret", "postgresql://h/d")
            for name in ("password", "user", "options", "passfile", "sslkey", "service", "application_name")
        ),
    ],
)
def test_servers_are_shown_without_their_password(text: str, shown: str) -> None:
    """Wherever in the URL it stands, also in the place of the user."""
    assert location.parse(text).shown == shown


@pytest.mark.parametrize(
    "text",
    [
        "mysql://me:s3cret@h/d",
        "postgresql+asyncpg://me:s3cret@h/d",
        "postgresql://me:s3cret@h:port/d",
        "postgresql://me:pa@s3cret@h/d",
        "postgresql://me:1234?s3cret@h/d",
        "postgresql://me:1234?s3cret@h/d=1",
        "postgresql://h/d#s3cret",
        "postgresql://[s3cret/d",
        "postgresql://h/d?PASSWORD=s3cret",
        "postgresql://h/d?pass=s3cret",
        "postgresql://h/d?s3cret=1",
        "https://me:s3cret@h/",
    ],
)
def test_a_refused_url_never_shows_its_password(text: str) -> None:
    """Neither in the message nor in the hint nor in the error's chain."""
    with pytest.raises(SettingsError) as caught:
        location.parse(text)
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_server_that_cannot_be_reached_is_an_error_without_a_password() -> None:
    """The driver's own words are kept, the secret in them is not."""
    with (
        open_ledger("postgresql://me:s3cret@127.0.0.1:1/d?connect_timeout=2") as ledger,
        pytest.raises(LedgerError) as caught,
    ):
        ledger.recall(["t"])
    assert "postgresql://127.0.0.1:1/d" in caught.value.message
    assert "refused" in caught.value.message
    assert "s3cret" not in repr(ledger.location) + caught.value.message


def test_a_drivers_message_is_redacted() -> None:
    """Should a driver ever quote the password, it goes no further."""
    place = location.parse("postgresql://me:s3cret@h/d?sslpassword=k3y")
    assert place.redact("bad s3cret and k3y") == "bad *** and ***"
    place = location.parse("postgresql://s3cret@h/d?service=k3y")
    said = place.redact('for user "s3cret" of service "k3y" of d')
    assert said == 'for user "***" of service "***" of d'
