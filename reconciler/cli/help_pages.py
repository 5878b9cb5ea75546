"""The end of each command's help: examples, the variables that it reads, and the codes that it exits with."""

from collections.abc import Mapping
from dataclasses import dataclass

CODES: Mapping[int, str] = {
    0: "success",
    1: "an error: bad manifest, setting or table, no token; nothing was sent",
    2: "with --detailed-exitcode: there are calls, or some were sent",
    3: "refused before spending: a limit or policy",
    4: "refused before spending: the saved plan is stale or not understood",
    5: "refused before spending: another apply holds a table",
    6: "partial: a call was refused or not sent, or cells failed",
    7: "in doubt: a call may have been paid for",
    8: "follow: the apply still runs",
    64: "the command line is wrong",
    130: "cancelled; nothing was sent",
}
"""Exit code → its meaning, which a command may say more exactly."""

VARIABLES: Mapping[str, str] = {
    "EXTRUCT_API_TOKEN": "the token; or EXTRUCT_API_TOKEN_FILE, its file",
    "EXTRUCT_API_URL": "the API's address, like --api-url",
    "RECONCILER_PROJECT": "the project file, like --project",
    "RECONCILER_LEDGER": "the ledger, like --ledger",
    "RECONCILER_LIMITS": "limits; also _MAX_CREDITS and _MAX_CELLS",
    "RECONCILER_SNAPSHOT_KEY": "signs and checks snapshots",
    "HTTPS_PROXY, NO_PROXY": "the proxy, and the hosts reached without it",
    "SSL_CERT_FILE": "the certificates to trust, like --ca-bundle",
    "GITHUB_TOKEN": "the forge's token; a job sets the rest",
    "GITLAB_TOKEN": "the forge's token; a job sets the rest",
    "CI": "in a CI job nothing is asked and no ledger created",
    "NO_COLOR": "no colour, like --no-color",
}
"""Variable → its meaning."""

_LOCAL = ("RECONCILER_PROJECT", "NO_COLOR")
_LEDGER = ("RECONCILER_PROJECT", "RECONCILER_LEDGER", "CI", "NO_COLOR")
_API = ("EXTRUCT_API_TOKEN", "EXTRUCT_API_URL", "RECONCILER_PROJECT", "RECONCILER_LEDGER", "HTTPS_PROXY, NO_PROXY",
        "SSL_CERT_FILE", "CI", "NO_COLOR")  # fmt: skip
_SPEND = (*_API[:4], "RECONCILER_LIMITS", *_API[4:])
_FORGE = ("HTTPS_PROXY, NO_PROXY", "SSL_CERT_FILE", "NO_COLOR")
_PLAIN = ("NO_COLOR",)
_ENDS: Mapping[int, str] = {0: "", 1: "", 64: ""}


@dataclass(frozen=True, slots=True)
class HelpPage:
    """The end of one command's help."""

    examples: tuple[str, ...]
    """Command lines, without the program's name in front."""
    variables: tuple[str, ...]
    """Names in `VARIABLES`."""
    codes: Mapping[int, str]
    """Exit code → its meaning here; empty for that in `CODES`."""

    def text(self) -> str:
        """Return it in click's form for text that is not wrapped."""
        shown = [f"{code:>3}  {said or CODES[code]}" for code, said in sorted(self.codes.items())]
        width = max(map(len, self.variables))
        parts = {
            "Examples": [f"reconciler {example}" for example in self.examples],
            "Environment": [f"{name:<{width}}  {VARIABLES[name]}" for name in self.variables],
            "Exit codes": shown,
        }
        return "\n\n".join("\n  ".join([f"\b\n{head}:", *lines]) for head, lines in parts.items())


_RESULT = {0: "", 1: "", 2: "", 3: "", 64: ""}
PAGES: Mapping[str, HelpPage] = {
    "": HelpPage(("demo", "init", "plan --out plan.json", "apply --plan plan.json", "doctor"), tuple(VARIABLES), CODES),
    "init": HelpPage(("init", "init accounts --ci github"), _PLAIN, _ENDS),
    "import": HelpPage(
        ("import 0a1a669a-9a40-497c-bb00-d49dd8ee5b74", "import --tag gtm --fill", "import --all --out manifests"),
        _API,
        {**_ENDS, 1: "an error, or a table that could not be read"},
    ),
    "validate": HelpPage(
        ("validate", "validate manifests --format github", "validate - < accounts.yaml"),
        _LOCAL,
        {**_ENDS, 0: "every file is valid", 1: "a file has problems"},
    ),
    "plan": HelpPage(
        (
            "plan",
            "plan --out plan.json --out plan.html",
            "plan --target 'gtm-*/fill,team=gtm' --max-credits 500",
            "plan --against origin/main --format markdown",
            "plan --detailed-exitcode --quiet",
        ),
        (*_SPEND, "RECONCILER_SNAPSHOT_KEY"),
        {**_RESULT, 2: "with --detailed-exitcode: cells are due"},
    ),
    "apply": HelpPage(
        (
            "apply",
            "apply --plan plan.json --yes",
            "apply --yes --no-wait --out report.json",
            "apply --target target-accounts/retry --max-cells 100",
        ),
        _SPEND,
        {**{code: "" for code in CODES if code != 8}, 2: "with --detailed-exitcode: calls were sent"},
    ),
    "submit": HelpPage(
        ("submit --plan plan.json", "submit --plan plan.json --workspace emea --follow"),
        (*_LEDGER[:2], "RECONCILER_LIMITS", *_LEDGER[2:]),
        {**_ENDS, 3: "", 4: "", 6: "with --follow: partial", 7: "with --follow: in doubt", 8: "with --follow"},
    ),
    "worker": HelpPage(("worker", "worker --workspace emea --concurrency 8"), _API, {**_ENDS, 0: "ended by a signal"}),
    "follow": HelpPage(
        ("follow 5b2f0c", "follow 5b2f0c --timeout 540 --format json"),
        _LEDGER,
        {**_ENDS, 6: "", 7: "", 8: "the apply still runs: follow it again"},
    ),
    "applies": HelpPage(("applies list", "applies show 5b2f0c"), _LEDGER, _ENDS),
    "applies list": HelpPage(("applies list --limit 5", "applies list --format json"), _LEDGER, _ENDS),
    "applies show": HelpPage(("applies show 5b2f0c",), _LEDGER, _ENDS),
    "applies stop": HelpPage(('applies stop 5b2f0c --reason "wrong column"',), _LEDGER, _ENDS),
    "wait": HelpPage(
        ("wait", "wait --timeout 600 --target team=gtm"),
        _API,
        {**_ENDS, 5: "another apply holds a table", 6: "cells failed or did not start", 7: "", 130: "interrupted"},
    ),
    "status": HelpPage(
        ("status", "status --target team=gtm --format json", "status --watch 10"), _API, {**_ENDS, 130: "interrupted"}
    ),
    "explain": HelpPage(
        ("explain target-accounts", "explain target-accounts/fill --column pricing_notes"), _API, _ENDS
    ),
    "drift": HelpPage(
        ("drift", "drift --exclude team=ops --format json"),
        _API,
        {**_ENDS, 0: "nothing is due or in doubt", 2: "something is due or in doubt"},
    ),
    "forecast": HelpPage(
        ("forecast --days 90", "forecast --format html > forecast.html"), _API, {**_ENDS, 0: "all of it could be read"}
    ),
    "approved-plan": HelpPage(
        ("approved-plan github --out-dir approved", "approved-plan gitlab --snapshot live.snapshot"),
        ("GITHUB_TOKEN", "GITLAB_TOKEN", *_FORGE),
        {**_ENDS, 4: "no plan was approved", 6: "some changes have no approved plan"},
    ),
    "approved-plan github": HelpPage(
        ("approved-plan github --out-dir approved", "approved-plan github --snapshot live.snapshot"),
        ("GITHUB_TOKEN", *_FORGE),
        {**_ENDS, 4: "no plan was approved", 6: "some changes have no approved plan"},
    ),
    "approved-plan gitlab": HelpPage(
        ("approved-plan gitlab --out-dir approved", "approved-plan gitlab --snapshot live.snapshot"),
        ("GITLAB_TOKEN", *_FORGE),
        {**_ENDS, 4: "no plan was approved", 6: "some changes have no approved plan"},
    ),
    "comment": HelpPage(
        ("comment github --plan plan.json", "comment gitlab --report report.json"),
        ("GITHUB_TOKEN", "GITLAB_TOKEN", *_FORGE),
        _ENDS,
    ),
    "comment github": HelpPage(
        ("comment github --plan plan.json", "comment github --report report.json"), ("GITHUB_TOKEN", *_FORGE), _ENDS
    ),
    "comment gitlab": HelpPage(
        ("comment gitlab --plan plan.json", "comment gitlab --report report.json"), ("GITLAB_TOKEN", *_FORGE), _ENDS
    ),
    "show": HelpPage(
        ("show plan.json", "show report.json --format markdown", "show - --format html < plan.json"),
        ("RECONCILER_SNAPSHOT_KEY", "NO_COLOR"),
        {**_ENDS, 1: "the file is none that this program saved", 4: "the plan was edited or is not understood"},
    ),
    "snapshot": HelpPage(
        ("snapshot --out live.snapshot", "snapshot manifests --out live.snapshot --unsigned"),
        ("RECONCILER_SNAPSHOT_KEY", *_API),
        {**_ENDS, 1: "an error, or a table that could not be read"},
    ),
    "ledger": HelpPage(("ledger list --state in_doubt", "ledger report --by label"), _LEDGER, _ENDS),
    "ledger list": HelpPage(
        ("ledger list --limit 10", "ledger list --state in_doubt --address target-accounts"),
        _LEDGER,
        _ENDS,
    ),
    "ledger show": HelpPage(("ledger show 9f3c21", "ledger show 9f3c21 --format json"), _LEDGER, _ENDS),
    "ledger report": HelpPage(
        ("ledger report --by month", "ledger report --by label --label team --since 2026-01-01"), _LEDGER, _ENDS
    ),
    "ledger resolve": HelpPage(
        (
            'ledger resolve 9f3c21 --not-landed --reason "no run there"',
            'ledger resolve 9f3c21 --landed --reason "it ran"',
        ),
        _LEDGER,
        {**_ENDS, 5: "an apply holds the table"},
    ),
    "ledger reconcile": HelpPage(("ledger reconcile", "ledger reconcile --format json"), _API, _ENDS),
    "ledger leases": HelpPage(("ledger leases",), _LEDGER, _ENDS),
    "ledger release": HelpPage(("ledger release 0a1a669a-9a40-497c-bb00-d49dd8ee5b74 --reason gone",), _LEDGER, _ENDS),
    "ledger init": HelpPage(
        ("ledger init", "ledger init --ledger postgresql://ledger.internal/reconciler"),
        _LEDGER,
        {**_ENDS, 5: "an apply holds a table of an older ledger"},
    ),
    "ledger compact": HelpPage(("ledger compact",), _LEDGER, _ENDS),
    "ledger archive": HelpPage(("ledger archive --before 2025-01-01 --out ledger-2024.jsonl",), _LEDGER, _ENDS),
    "ledger export": HelpPage(("ledger export > ledger.jsonl",), _LEDGER, _ENDS),
    "ledger import": HelpPage(
        ("ledger import ledger.jsonl", "ledger import - --ledger ./copy.db < ledger.jsonl"), _LEDGER, _ENDS
    ),
    "ledger adopt": HelpPage(
        ("ledger adopt --as 2026-q4", "ledger adopt manifests --as 2026-q4"),
        _API,
        {**_ENDS, 1: "an error, or a table that could not be taken over"},
    ),
    "doctor": HelpPage(
        ("doctor", "doctor --format json"), _API, {**_ENDS, 0: "nothing is wrong", 1: "something is wrong"}
    ),
    "completion": HelpPage(
        (
            "completion bash >> ~/.bashrc",
            "completion zsh >> ~/.zshrc",
            "completion fish > ~/.config/fish/completions/reconciler.fish",
        ),
        _PLAIN,
        {0: "", 64: ""},
    ),
    "schema": HelpPage(("schema manifest", "schema plan > plan.v1.json"), _PLAIN, {0: "", 64: ""}),
    "simulator": HelpPage(
        ("simulator", "simulator --port 0 --speed 600"), _PLAIN, {**_ENDS, 1: "it cannot listen, or is not installed"}
    ),
    "demo": HelpPage(("demo",), _PLAIN, _ENDS),
}
"""Command, with its group in front → the end of its help."""
