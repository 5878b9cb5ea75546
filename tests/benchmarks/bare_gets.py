"""The least that GETs: httpcore and msgspec in as many threads as there are connections, nothing classified.

python -m tests.benchmarks.bare_gets URL TABLES CONNECTIONS [ENDING…]

For each table each ending of its path is asked for, else its header. Prints the seconds and the CPU seconds.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpcore
import msgspec

from tests.benchmarks.server import table_id


def main(url: str, tables: int, connections: int, endings: list[str]) -> tuple[float, float]:
    """Read once."""
    server = urlsplit(url)
    origin = httpcore.Origin(b"http", (server.hostname or "").encode(), server.port or 80)
    headers = [("Host", server.netloc), ("Accept-Encoding", "gzip")]

    def work(first: int) -> None:
        with httpcore.HTTPConnection(origin) as client:
            for number in range(first, tables, connections):
                for ending in endings:
                    target = f"{url}/v1/tables/{table_id(number)}{ending}"
                    msgspec.json.decode(client.request("GET", target, headers=headers).content)

    began, began_cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(work, range(connections)))
    return time.perf_counter() - began, time.process_time() - began_cpu


if __name__ == "__main__":
    taken = main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] or [""])
    sys.stdout.write("{} {}\n".format(*taken))
