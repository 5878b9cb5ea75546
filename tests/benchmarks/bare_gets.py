"""The least that GETs: `http.client` and json in as many threads as there are connections, nothing classified.

python -m tests.benchmarks.bare_gets URL TABLES CONNECTIONS [ENDING…]

For each table each ending of its path is asked for, else its header. Prints the seconds and the CPU seconds.
"""

import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tests.benchmarks.server import table_id


def main(url: str, tables: int, connections: int, endings: list[str]) -> tuple[float, float]:
    """Read once."""
    host = urlsplit(url).netloc

    def work(first: int) -> None:
        connection = http.client.HTTPConnection(host)
        for number in range(first, tables, connections):
            for ending in endings:
                connection.request("GET", f"/v1/tables/{table_id(number)}{ending}", headers={"Accept-Encoding": "gzip"})
                json.loads(connection.getresponse().read())
        connection.close()

    began, began_cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(work, range(connections)))
    return time.perf_counter() - began, time.process_time() - began_cpu


if __name__ == "__main__":
    taken = main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] or [""])
    sys.stdout.write("{} {}\n".format(*taken))
