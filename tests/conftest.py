"""Options of the test run."""

import os
import sys

import pytest

# Where bytecode is not kept, every program that a test starts compiles the whole package again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options: one rewrites expected outputs, whose diff the review reads; others allow a network."""
    parser.addoption("--rewrite-golden", action="store_true", help="rewrite the files of expected outputs")
    parser.addoption("--index", action="store_true", help="ask the package index whether every system gets wheels")
    parser.addoption("--pictures", metavar="DIR", help="keep what the browser shows of pages in this folder")
    parser.addoption("--gitlab-ci-local", metavar="PROGRAM", help="run GitLab's file in this runner; it uses the index")
