"""The documented endpoints over a world: a request in, an answer out."""

from typing import Any, Final

from reconciler.simulator.http import shapes
from reconciler.simulator.http.access import Access, check_columns, check_rows
from reconciler.simulator.http.columns_api import Columns
from reconciler.simulator.http.routing import Endpoint
from reconciler.simulator.http.rows_api import Rows
from reconciler.simulator.http.tables_api import Tables
from reconciler.simulator.http.wire import Request, Response, answer, message, read_body
from reconciler.simulator.world.clock import stamp
from reconciler.simulator.world.world import World

NOT_SIMULATED: Final = ("companies", "deep_research_tasks", "discovery_tasks", "workflow_runs")
"""Other parts of the API, by the first word of their paths."""


class Api:
    """The endpoints; each call sees the world at that moment."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._access = Access(world)

    def routes(self) -> dict[str, Endpoint]:
        """Return the endpoints by method and path; the most frequent ones first."""
        run: dict[str, Endpoint] = {"POST /v1/tables/{table_id}/run": self.run_table}
        found = {
            **Tables(self._access).routes(),
            **run,
            **Rows(self._access).routes(),
            **Columns(self._access).routes(),
            "GET /v1/healthcheck": self.healthcheck,
            "GET /v1/billing": self.billing,
            "GET /v1/user": self.user,
        }
        return {
            name: endpoint if name.startswith("GET ") else self._access.with_a_plan(endpoint)
            for name, endpoint in found.items()
        }

    def others(self) -> dict[str, Endpoint]:
        """Return the endpoints that answer for parts of the API that are not simulated."""
        return {f"* /v1/{part}{rest}": self.not_simulated for part in NOT_SIMULATED for rest in ("", "/{rest:path}")}

    def healthcheck(self, _request: Request) -> Response:
        """Report that the service is up; needs no token."""
        return answer({"status": "ok"})

    def user(self, _request: Request) -> Response:
        """Return the token's user, organization and credits."""
        billing = self._world.billing
        shown: dict[str, Any] = {
            "user_id": self._world.owner["id"],
            **self._world.owner,
            "available_credits": billing.available,
            "organization_id": self._world.organization,
            "organization_name": billing.organization_name,
            "organization_slug": billing.organization_slug,
            "organization_is_active": billing.organization_is_active,
        }
        if self._world.assumptions.user_fields == "older":
            shown["has_unlimited_credits"] = billing.credits is None
            shown["credit_cap"] = billing.credit_cap
            shown["subscription_plan_credits"] = billing.subscription_plan_credits
        return answer(shown)

    def billing(self, _request: Request) -> Response:
        """Return the token's user and balance."""
        billing = self._world.billing
        user = {
            **self._world.owner,
            "organization_id": self._world.organization,
            "organization_is_active": billing.organization_is_active,
        }
        plan = {"requires_subscription": billing.requires_subscription, "plan_tier": billing.plan_tier}
        body: dict[str, Any] = {"user": user, "subscription": plan}
        where = self._world.assumptions.credits_in
        (body if where == "body" else body[where])["available_credits"] = billing.available
        return answer(body)

    def run_table(self, request: Request, table_id: str) -> Response:
        """Start a run; once it is answered, it has been paid for."""
        table = self._access.table(table_id)
        body = read_body(request, shapes.RunRequest, optional=True)
        check_rows(table, body.rows or (), ("body", "rows"))
        check_columns(table, body.columns or (), ("body", "columns"))
        run = self._access.run(table, body.mode, body.rows, body.columns)
        return answer(
            {
                "id": run.id,
                "created_at": stamp(run.created_at),
                "status": "created" if run.cells else "done",
                "rows": run.rows,
                "columns": run.columns,
                "num_requested_cells": len(run.cells),
                "mode": run.mode,
            }
        )

    def not_simulated(self, request: Request, **_ids: str) -> Response:
        """Report that the endpoint exists but is not simulated."""
        return message(
            501,
            f"{request.method} {request.path} is not simulated: this stand-in has tables with their rows, columns and "
            "runs, and the balance. /openapi.json lists every endpoint.",
        )
