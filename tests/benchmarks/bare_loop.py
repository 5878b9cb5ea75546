"""The least that reads a table: httpcore, the same decoder, one mask a column, page after page.

Prints the seconds and the CPU seconds.

python -m tests.benchmarks.bare_loop URL ROWS
"""

import sys
import time
from urllib.parse import urlsplit

import httpcore
import msgspec

from reconciler.client.tables.cells import CellShape
from tests.benchmarks.server import table_id

PAGE_ROWS = 140


class Row(msgspec.Struct):
    """A row, its cells decoded as the reconciler does."""

    id: str
    data: dict[str, CellShape]


class Page(msgspec.Struct):
    """A page."""

    rows: list[Row]


def main(url: str, rows: int) -> tuple[float, float]:
    """Read the table once."""
    decoder = msgspec.json.Decoder(Page)
    masks: dict[str, bytearray] = {}
    began, began_cpu = time.perf_counter(), time.process_time()
    server = urlsplit(url)
    origin = httpcore.Origin(b"http", (server.hostname or "").encode(), server.port or 80)
    with httpcore.HTTPConnection(origin) as client:
        for offset in range(0, rows, PAGE_ROWS):
            body = bytearray()
            target = f"{url}/v1/tables/{table_id(0)}/data?offset={offset}&limit={PAGE_ROWS}"
            with client.stream("GET", target, headers={"Host": server.netloc}) as response:
                for chunk in response.iter_stream():
                    body += chunk
            for row in decoder.decode(body).rows:
                for key, cell in row.data.items():
                    masks.setdefault(key, bytearray()).append(cell.status == "done")
    assert all(len(mask) == rows for mask in masks.values())
    return time.perf_counter() - began, time.process_time() - began_cpu


if __name__ == "__main__":
    print(*main(sys.argv[1], int(sys.argv[2])))  # noqa: T201
