"""A scheduled job: plan, check the plan's credits against a budget, apply that plan, report.

    python job.py reconciler.yaml 500

The exit code says what to do next, as that of `reconciler apply` does. Running the job twice buys nothing twice.
"""

import sys
from decimal import Decimal

import reconciler

LONGEST_WAIT_SECONDS = 3600.0


def run(project: str, most_credits: Decimal) -> int:
    """Fill what the team's manifests ask for, for at most `most_credits`; return the exit code."""
    with reconciler.open_session(project) as session:
        plan = session.plan(target="team=gtm")
        for problem in plan.diagnostics:
            print(f"{problem.location}: {problem.message}", file=sys.stderr)
        cost = plan.totals().credits
        if cost is None or cost > most_credits:
            shown = "an unknown number of" if cost is None else cost
            print(f"The plan costs {shown} credits, and {most_credits} are allowed.")
            return reconciler.ExitCode.LIMIT
        report = session.apply(plan, timeout_seconds=LONGEST_WAIT_SECONDS)
    for result in report.results:
        state = "not sent" if result.ending is None else result.ending.state.value
        print(f"{result.call.address}: {result.call.cells} cells, {result.call.credits} credits, {state}")
    print(f"{len(report.results)} calls of {cost} credits, {report.failed_cells} cells failed.")
    return report.exit_code()


def main(project: str, most_credits: str) -> int:
    """Run the job; say what went wrong before anything was sent."""
    try:
        return run(project, Decimal(most_credits))
    except reconciler.ReconcilerError as error:
        print(*filter(None, (error.message, error.hint)), sep="\n  ", file=sys.stderr)
        return reconciler.ExitCode.of(error)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
