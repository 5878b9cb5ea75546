"""Options of the test run."""

import os
import sys

import pytest

# Where bytecode is not kept, every program that a test starts compiles the whole package again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites expected outputs; the review reads the diff."""
    parser.addoption("--rewrite-golden", action="store_true", help="rewrite the files of expected outputs")
