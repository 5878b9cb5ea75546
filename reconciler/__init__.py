"""Declarative, reviewed, at-most-once runs of Extruct AI tables. The rooms, from the street inwards:

cli/         one module per command: parse, call, print, exit code
operations/  the verbs that join the rooms: observe, plan a change, apply wave after wave, send, wait
render/      values to text for people            documents/   versioned JSON: plan, report, status, snapshot files
forge/       comments on GitHub and GitLab        simulator/   a stand-in of the API; only its commands import it
planning/    what is due, pure: planner → table_planner → cell_decision
settings/    flags, environment, project file, git, the limits of a base
spending/    between a plan and money, pure: the spend protocol, evidence, doubt, approval, limits, waiting
client/      the API over HTTP: http/ (requests), tables/ (pages to snapshots), run_call (the POST that costs)
ledger/      the memory of what was paid for, and its leases
manifests/   YAML ⇄ manifests, with the place of every word
model/       nouns: manifest, table, history, plan, attempt, report
text/        words and numbers

Imports point down only; `tests/architecture` holds a contract for each room. Three inputs meet in one pure function:
manifests, live tables and the ledger's history become a plan, and the rest reads its result.
"""

from reconciler.version import __version__

__all__ = ["__version__"]
