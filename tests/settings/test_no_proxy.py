"""NO_PROXY: which hosts it names, by curl's documented rules and by a real curl where there is one."""

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from reconciler.model.network import is_excepted

HOSTS = ("api.extruct.ai", "extruct.ai", "notextruct.ai", "127.0.0.1", "10.1.2.3", "::1", "2001:db8:8000::1")
NAMES = HOSTS[:3]
NONE = ""
FORMS = {
    # names
    "": NONE,
    "*": " ".join(HOSTS),
    " *": NONE,
    "*,x": NONE,
    "*.extruct.ai": NONE,
    "extruct.ai": "api.extruct.ai extruct.ai",
    ".extruct.ai": "api.extruct.ai extruct.ai",
    "EXTRUCT.AI.": "api.extruct.ai extruct.ai",
    "..extruct.ai,extruct.ai..": NONE,
    "extruct.ai:443,https://extruct.ai,extruct.ai/8": NONE,
    "ai": " ".join(NAMES),
    # lists
    " extruct.ai ,x": "api.extruct.ai extruct.ai",
    ",, ,x,,,extruct.ai,": "api.extruct.ai extruct.ai",
    ",, ,.": NONE,
    "x\nextruct.ai": NONE,
    "x;extruct.ai": NONE,
    # IPv4
    "127.0.0.1": "127.0.0.1",
    "127.0.0.1,x": "127.0.0.1",
    "10.0.0.0/8": "10.1.2.3",
    "10.1.2.2/31": "10.1.2.3",
    "10.1.2.0/31": NONE,
    "127.0.0.1/32,10.1.2.3/008": "127.0.0.1 10.1.2.3",
    "0.0.0.0/0": NONE,
    "10.1.2.3/0": "10.1.2.3",
    "10.1.2.3/33,10.1.2.3/99999999999": NONE,
    "127.0,127.,0.1,.127.0.0.1,127.0.0.1.,127.0.0.01": NONE,
    "[127.0.0.1],127.0.0.1:80,127.*": NONE,
    "10.0.0.0/255.0.0.0": NONE,
    # junk after the slash
    "127.0.0.1/": NONE,
    "127.0.0.1/x": NONE,
    "127.0.0.0/8x": NONE,
    "127.0.0.0/8/8": NONE,
    "127.0.0.0/+8": NONE,
    "127.0.0.0/8.5": NONE,
    "127.0.0.0/٨": NONE,
    # IPv6, without brackets
    "::1": "::1",
    "0:0:0:0:0:0:0:1": "::1",
    "0::0001": "::1",
    "::0.0.0.1": "::1",
    "::/127": "::1",
    "::1/128": "::1",
    "::2/127,::1/129": NONE,
    "::/0": NONE,
    "::1/0": "::1",
    "[::1]": NONE,
    "[::1": NONE,
    "::1]": NONE,
    "[::]/64": NONE,
    "::1.,.::1": NONE,
    "::1%lo,::%lo/64": NONE,
    "2001:db8::/32": "2001:db8:8000::1",
    "2001:db8::/65": NONE,
    "2001:DB8:8000:0::/65": "2001:db8:8000::1",
    "2000::/3": "2001:db8:8000::1",
    "2000::/4": "2001:db8:8000::1",
}
"""Each list, and the hosts among `HOSTS` that it names."""


@pytest.mark.parametrize(("exceptions", "named"), FORMS.items())
def test_it_names_domains_addresses_and_networks(exceptions: str, named: str) -> None:
    """By the rules of curl's manual, loopback included."""
    assert [host for host in HOSTS if is_excepted(host, exceptions)] == named.split()


@pytest.mark.parametrize("exceptions", ["x extruct.ai", "x\textruct.ai", "x y,extruct.ai"])
def test_blanks_separate_as_commas_do(exceptions: str) -> None:
    """As in curl until 2024; today it passes over what follows a blank, which no one means who writes it."""
    assert is_excepted("api.extruct.ai", exceptions)


def test_a_host_may_end_in_a_dot() -> None:
    """It is the same host."""
    assert is_excepted("api.extruct.ai.", "extruct.ai")


def test_a_real_curl_agrees() -> None:
    """Every list and host that this curl reads by its manual: IPv6 is a plain text to one before 8.18."""
    curl = shutil.which("curl")
    if curl is None:
        return
    version = subprocess.run([curl, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    pairs = [(host, each) for each in FORMS for host in HOSTS]
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < (8, 18):
        pairs = [(host, each) for host, each in pairs if ":" not in host and not re.search(r"/([0-9]*[^0-9,]|$)", each)]
    with _closing() as proxy:
        said = subprocess.run(
            [curl, "-q", "-K", "-"], input=_configured(pairs, proxy), capture_output=True, text=True, check=False
        )
    is_direct = [code == "7" for code in said.stdout.split()]  # 7: the connection was refused
    differing = [pair for pair, direct in zip(pairs, is_direct, strict=True) if is_excepted(*pair) != direct]
    assert (differing, len(pairs) > 200) == ([], True)


def _configured(pairs: list[tuple[str, str]], proxy: str) -> str:
    """Return curl's settings to ask for each host in turn, all of which are a port that refuses."""
    lines: list[str] = []
    for host, exceptions in pairs:
        quoted = exceptions.replace("\n", "\\n")
        lines += [f'url = "http://{f"[{host}]" if ":" in host else host}/"', f'proxy = "{proxy}"']
        lines += [f'noproxy = "{quoted}"', 'connect-to = "::127.0.0.1:1"', "silent", 'output = "/dev/null"']
        lines += ['write-out = "%{exitcode}\\n"', "next"]
    return "\n".join(lines[:-1])


@contextmanager
def _closing() -> Iterator[str]:
    """Yield the URL of a proxy that closes every connection."""

    def close_all() -> None:
        with suppress(OSError):
            while True:
                listener.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        thread = threading.Thread(target=close_all, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
