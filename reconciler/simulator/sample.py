"""A small world for a first look: one table of companies, some of its cells done, some failed, some never run."""

from reconciler.simulator.workspace import ColumnSpec, Shares, TableSpec, Workspace


def _column(key: str, prompt: str, agent_type: str = "research_pro", fails: float = 0.0) -> ColumnSpec:
    value = {"agent_type": agent_type, "prompt": prompt, "output_format": "text"}
    return ColumnSpec(key=key, value=value, fails=fails)


def sample() -> Workspace:
    """Return it; the table's id never changes."""
    accounts = TableSpec(
        id="0a1a669a-9a40-497c-bb00-d49dd8ee5b74",
        name="Target Accounts",
        kind="company",
        columns=[
            _column("latest_funding", "Find the latest funding round.", fails=0.1),
            _column("pricing_notes", "Summarise the pricing page."),
            _column("pitch", "Write one line on {latest_funding} and {pricing_notes}.", "llm"),
        ],
        rows=40,
        shares=Shares(done=0.5, failed=0.1),
        missing_inputs=0.05,
    )
    return Workspace(tables=[accounts])
