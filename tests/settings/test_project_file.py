"""The project file: what it may say, and what holds where it says nothing."""

from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path

import pytest

from reconciler.errors import ManifestError
from reconciler.model.limits import Limit, Limits, Prices
from reconciler.settings.project_file import DEFAULT_PROJECT, ApiSettings, Project, Spend
from tests.settings.project_files import load_project

HEAD = "apiVersion: reconciler/v1\nkind: Project\n"
CONTRACT = f"""\
{HEAD}spec:
  manifests: [manifests/]
  ledger: postgresql://ledger.internal/reconciler
  api:
    url: http://127.0.0.1:8080/base
    concurrency: 32
    timeout_seconds: 2.5
    page_rows: 100
    max_cells_per_call: 10
    spend: {{send_within_seconds: 0.1, call_seconds: 0.2, quiet_seconds: 0.31, lease_seconds: 1}}
  prices: {{default: 1, kinds: {{company_people_finder: 2, agent: 0.1}}, columns: {{a: 0}}}}
  limits:
    max_credits: 500.5
    max_cells: 5000
"""


def load(folder: Path, text: str) -> Project:
    """Load a project file of this text."""
    path = folder / "reconciler.yaml"
    path.write_text(text)
    return load_project(path)


def test_every_setting_is_read(tmp_path: Path) -> None:
    """Numbers are exact, and limits know where they were set."""
    location = (tmp_path / "reconciler.yaml").as_posix()
    assert load(tmp_path, CONTRACT) == Project(
        manifests=("manifests/",),
        ledger="postgresql://ledger.internal/reconciler",
        api=ApiSettings(
            url="http://127.0.0.1:8080/base",
            concurrency=32,
            timeout_seconds=2.5,
            page_rows=100,
            max_cells_per_call=10,
            spend=Spend(send_within_seconds=0.1, call_seconds=0.2, quiet_seconds=0.31, lease_seconds=1),
        ),
        prices=Prices(Decimal(1), {"company_people_finder": Decimal(2), "agent": Decimal("0.1")}, {"a": Decimal(0)}),
        limits=Limits(
            Limit(Decimal("500.5"), f"{location}:15 (spec.limits.max_credits)"),
            Limit(Decimal(5000), f"{location}:16 (spec.limits.max_cells)"),
        ),
    )


@pytest.mark.parametrize(
    "text", [HEAD, HEAD + "spec: {}\n", HEAD + "spec: {api: {spend: {}}, prices: {}, limits: {}}\n"]
)
def test_everything_may_be_left_out(text: str, tmp_path: Path) -> None:
    """A project file that says nothing is like none: no limit, no ledger named, prices as documented."""
    assert load(tmp_path, text) == DEFAULT_PROJECT
    assert DEFAULT_PROJECT.api.url == "https://api.extruct.ai"
    assert DEFAULT_PROJECT.limits == Limits(None, None)
    assert DEFAULT_PROJECT.ledger is None


@pytest.mark.parametrize(
    ("spend", "is_long_enough"),
    [
        ("quiet_seconds: 32.001", True),
        ("quiet_seconds: 32", False),
        ("quiet_seconds: 1", False),
        ("call_seconds: 177.9", True),
        ("call_seconds: 178", False),
        ("send_within_seconds: 150", False),
        ("send_within_seconds: 0.1, call_seconds: 0.2, quiet_seconds: 0.3", False),
        ("send_within_seconds: 0.1, call_seconds: 0.2, quiet_seconds: 0.31", True),
    ],
)
def test_the_quiet_period_outlasts_a_call(spend: str, is_long_enough: bool, tmp_path: Path) -> None:
    """Q > D + T, exactly, also where one of the three is a default: else a call on its way is judged as lost."""
    text = f"{HEAD}spec: {{api: {{url: 'http://127.0.0.1:1', spend: {{{spend}}}}}}}\n"
    if is_long_enough:
        load(tmp_path, text)
    else:
        with pytest.raises(ManifestError, match="quiet_seconds must exceed"):
            load(tmp_path, text)


@pytest.mark.parametrize(
    ("spend", "location"),
    [
        ("call_seconds: 9.9", "3:36"),
        ("quiet_seconds: 59.9", "3:37"),
        ("call_seconds: 10, send_within_seconds: 1, quiet_seconds: 60", ""),
    ],
)
def test_times_have_a_floor_but_against_this_machine(spend: str, location: str, tmp_path: Path) -> None:
    """A real API is slower; whether it is one says who names it most strongly."""
    text = f"{HEAD}spec: {{api: {{spend: {{{spend}}}}}}}\n"
    path = tmp_path / "reconciler.yaml"
    path.write_text(text)
    for url in (None, "https://api.extruct.ai", "https://127.0.0.1.example"):
        if not location:
            load_project(path, url)
            continue
        with pytest.raises(ManifestError, match="must be at least") as caught:
            load_project(path, url)
        assert str(caught.value.problems[0].location) == f"{path.as_posix()}:{location}"
    load_project(path, "http://127.0.0.1:8420")
    path.write_text(text.replace("{api: {", "{api: {url: 'http://[::1]:8420', "))
    load_project(path)
    with pytest.raises(ManifestError, match="must be at least") if location else nullcontext():
        load_project(path, "https://api.extruct.ai")


@pytest.mark.parametrize(
    ("kind", "key", "column_id", "price"),
    [
        ("agent", "other", "id-2", Decimal("1.5")),
        ("agent", "dear", "id-2", Decimal(7)),
        ("agent", "dear", "id-1", Decimal(9)),
        ("company_people_finder", "other", "id-2", Decimal(2)),
        ("email_finder", "other", "id-2", None),
        ("email_finder", "free", "id-2", Decimal(0)),
    ],
)
def test_the_closest_price_counts(kind: str, key: str, column_id: str, price: Decimal | None) -> None:
    """Column id, column key, kind, what is documented; and an unlisted one is unknown, not free."""
    prices = Prices(
        kinds={"agent": Decimal("1.5")}, columns={"id-1": Decimal(9), "dear": Decimal(7), "free": Decimal(0)}
    )
    assert prices.of(kind, key, column_id) == price


def test_the_default_price_is_for_kinds_that_have_none() -> None:
    """A default fills what is unknown; it does not make a documented price cheaper."""
    prices = Prices(default=Decimal(1))
    assert prices.of("email_finder", "a", "b") == 1
    assert prices.of("company_people_finder", "a", "b") == 2
    assert Prices().of("agent", "a", "b") == 1


def test_prices_are_exact(tmp_path: Path) -> None:
    """Three cells at 0.1 cost 0.3."""
    price = load(tmp_path, f"{HEAD}spec: {{prices: {{default: 0.1}}}}\n").prices.of("x", "a", "b")
    assert price is not None
    assert str(price * 3) == "0.3"
