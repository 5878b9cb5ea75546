"""Options of the test run."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites expected outputs; the review reads the diff."""
    parser.addoption("--rewrite-golden", action="store_true", help="rewrite the expected outputs in tests/cases")
