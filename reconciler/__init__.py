"""Declarative, reviewed, at-most-once runs of Extruct AI tables. The map of the house, from the street inwards:

cli/            one module per command: parse, call, print, exit code
reconcile.py    the story of an apply, told in the words of the modules below; looking.py: that of a plan
  edges: all reading and writing
client/         the API over HTTP          ledger/        the memory of what was paid for
leasing.py      one apply per table        sources.py     YAML with places (loading.py, runs.py: manifests; project.py)
settings.py     flags, environment, file   provenance.py  git and CI
finding.py      tables by name and tag, as resolving.py decides
calendars.py    when a calendar's dates come
  pure: values to text
render/         for people                 planfile.py, reportfile.py, saved.py   as JSON
  pure: the decisions
planner.py      (desired, observed, history) → Plan; tableplan.py: of one table; decide.py: about one cell
apply.py        the spend protocol         recovery.py    what became of a call in doubt
guard.py        limits                     waiting.py     until tables are idle
importing.py    a table as a manifest      adoption.py    what was run by hand
standing.py     status and drift           shortcut.py    what need not be read, and why
selecting.py    rows by what they hold     patterns.py    regular expressions, bounded (ground)
growth.py       what a plan fills          blocking.py    what a cell waits for
freshness.py    how old a cell may get
  nouns
manifest.py  condition.py  observed.py  history.py  plan.py  outcome.py  report.py  records.py  budget.py
  ground
errors.py  place.py  clean.py  fingerprint.py  masks.py  packed.py  amounts.py  addresses.py
simulator/      a stand-in of the API; only its commands import it
"""

from reconciler.version import __version__

__all__ = ["__version__"]
