"""`openssl s_server` as a peer that does on command what Python's `ssl` cannot: new keys and handshakes in between."""

import re
import subprocess
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from tests.client.proxies import CERTIFICATE

_REQUEST = re.compile(rb"GET (\S+) HTTP/1\.1\r\n")
_ENDED = b"SSL_do_handshake -> 1\n"


class OpensslServer:
    """Answers GETs with `answer` of their path, over one connection at a time."""

    def __init__(self, version: str, answer: Callable[[str], bytes], *, before_answers: str = "") -> None:
        """`version` is an option such as `-tls1_3`; `before_answers` is a command, as `send` takes it."""
        listen = ["-accept", "127.0.0.1:0", "-cert", str(CERTIFICATE), version]
        self._command = ["stdbuf", "-oL", "openssl", "s_server", *listen]
        self._answer = answer
        self._before_answers = before_answers
        self._handshakes: SimpleQueue[None] = SimpleQueue()
        self.connections = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
        assert self._process.stdout is not None
        self._lines = iter(self._process.stdout.readline, b"")
        port = next(found[1] for line in self._lines if (found := re.match(rb"ACCEPT .*:([0-9]+)", line)))
        self.url = f"https://127.0.0.1:{int(port)}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._thread.join(5)
        with self._process:
            pass

    def send(self, command: str) -> None:
        """Send new keys (`k`), or ask for ours too (`K`), or for another handshake (`r`, up to TLS 1.2)."""
        self._write(command.encode() + b"\n")
        self._handshakes.get(timeout=5)

    def _serve(self) -> None:
        for line in self._lines:
            self.connections += line.startswith(b"CIPHER is")
            if line == _ENDED:
                self._handshakes.put(None)
            elif (request := _REQUEST.fullmatch(line)) is not None:
                if self._before_answers:
                    self._write(self._before_answers.encode() + b"\n")
                    while next(self._lines) != _ENDED:  # a command counts only if nothing else comes with it
                        pass
                self._write(self._answer(request[1].decode()))

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
