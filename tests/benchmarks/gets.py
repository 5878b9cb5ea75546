"""Reads the headers of many tables and nothing else; prints the CPU seconds that took.

python -m tests.benchmarks.gets URL TABLES
"""

import sys
import time

from reconciler.client import ApiOptions, Reader, Token
from tests.benchmarks.server import table_id


def main(url: str, tables: int) -> float:
    """Read them once."""
    with Reader(ApiOptions(url, Token("benchmark"))) as reader:
        began = time.process_time()
        found = reader.read_statuses([table_id(number) for number in range(tables)])
        assert len(found) == tables
        return time.process_time() - began


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2])))  # noqa: T201
