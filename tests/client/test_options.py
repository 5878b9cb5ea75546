"""Where the token goes, and that it shows itself nowhere."""

import copy
import pickle
import traceback

import pytest

from reconciler.client import Token
from reconciler.client.http.addressing import checked_url
from reconciler.errors import Refused, SettingsError
from tests.client.live_tables import SECRET, TABLE, options


def test_a_token_never_shows_itself() -> None:
    """Neither alone nor in the options; and it is not for storing."""
    token = Token(SECRET)
    shown = [
        repr(token),
        str(token),
        f"{token}",
        f"{token!r:>50}",
        repr(options("https://api.extruct.ai")),
        repr([token]),
    ]
    assert not any(SECRET in text for text in shown)
    assert token.reveal() == SECRET
    for store in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            store(token)


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "a\n", "a\r\nX-Evil: 1", "\x00", "a\x7f", "tökén", "a\u2028", "\ud800"]
)
def test_a_token_that_could_not_stand_in_a_header_is_refused_unseen(text: str) -> None:
    """An HTTP library would print the header that it refuses."""
    with pytest.raises(SettingsError) as caught:
        Token(f"{SECRET}{text}" if text else "")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.extruct.ai", "https://api.extruct.ai"),
        ("https://api.extruct.ai/", "https://api.extruct.ai"),
        ("HTTPS://API.extruct.ai:8443/", "https://api.extruct.ai:8443"),
        ("https://gateway.internal/Extruct/", "https://gateway.internal/Extruct"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_base_url_is_kept_in_one_spelling(url: str, kept: str) -> None:
    """https anywhere, plain http for loopback."""
    checked = options(url)
    assert checked.base_url == kept
    whole = checked_url(checked, f"/v1/tables/{TABLE}", {"offset": 0, "limit": 5})
    assert str(whole) == f"{kept}/v1/tables/{TABLE}?offset=0&limit=5"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.extruct.ai",
        "//api.extruct.ai",
        "https://",
        "https:///path",
        "ftp://api.extruct.ai",
        "file:///etc/passwd",
        "http://api.extruct.ai",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://2130706433",
        "http://[::ffff:10.0.0.1]",
        f"https://user:{SECRET}@api.extruct.ai",
        "https://api.extruct.ai@evil.example",
        "https://api.extruct.ai?x=1",
        "https://api.extruct.ai#x",
        "https://api.extruct.ai/../x",
        "https://api.extruct.ai/./x",
        "https://api.extruct.ai//x",
        "https://api.extruct.ai/%2e%2e/x",
        "https://api.extruct.ai\\@evil.example",
        "https://api.extruct.ai\n",
        " https://api.extruct.ai",
        "https://api.extruct.ai:99999",
        "https://api.extruct.ai:0",
        "https://api.extruct.ai:x",
        "https://[::1",
        "https://exämple.com",
        "https://evil\u3002example",
    ],
)
def test_a_base_url_that_could_lead_elsewhere_is_refused(url: str) -> None:
    """The token goes where it says, so it is read strictly; and it is not repeated, for it may hold a password."""
    with pytest.raises(SettingsError) as caught:
        options(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_path_that_leads_away_is_not_requested() -> None:
    """Should a path ever be built from something else than checked ids."""
    for path in ("/v1/../admin", "@evil.example/v1", "/v1/tables/a?b"):
        with pytest.raises(Refused):
            checked_url(options("https://api.extruct.ai"), path)


@pytest.mark.parametrize(
    "change",
    [
        {"concurrency": 0},
        {"concurrency": 1000},
        {"page_rows": 0},
        {"timeout_seconds": 0.0},
        {"timeout_seconds": float("nan")},
        {"call_seconds": float("inf")},
        {"call_seconds": -1.0},
    ],
)
def test_a_number_that_makes_no_sense_is_refused(change: dict[str, float]) -> None:
    """Before anything is sent."""
    with pytest.raises(SettingsError):
        options("https://api.extruct.ai", **change)
