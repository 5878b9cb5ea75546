"""A small world for a first look: companies with some cells done or failed, and partners with all cells done."""

from reconciler.simulator.world.workspace import ColumnSpec, Shares, TableSpec, Workspace


def _column(key: str, prompt: str, agent_type: str = "research_pro", fails: float = 0.0) -> ColumnSpec:
    value = {"agent_type": agent_type, "prompt": prompt, "output_format": "text"}
    return ColumnSpec(key=key, value=value, fails=fails)


def sample() -> Workspace:
    """Return the sample; the tables' ids never change."""
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
    partners = TableSpec(
        id="5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50",
        name="Partners",
        kind="company",
        columns=[_column("recent_news", "Find this quarter's news.")],
        rows=12,
        shares=Shares(done=1.0),
    )
    return Workspace(tables=[accounts, partners])
