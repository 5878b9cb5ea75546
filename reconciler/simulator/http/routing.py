"""Routes requests to endpoints. Starlette matches the path; the work itself needs neither a socket nor a loop."""

from collections.abc import Callable, Mapping

from starlette.routing import Match, Route

from reconciler.simulator.http.wire import RejectedError, Request, Response, invalid, message

Endpoint = Callable[..., Response]
"""Takes the request, and the ids of its path by name."""


class _Resource:
    """The endpoints at one path."""

    def __init__(self) -> None:
        self.methods: dict[str, Endpoint] = {}

    def __call__(self, request: Request, **ids: str) -> Response:
        """Answer a request, or return a 405."""
        endpoint = self.methods.get(request.method) or self.methods.get("*")
        if endpoint is None:
            return message(405, "Method Not Allowed", [("allow", ", ".join(sorted(self.methods)))])
        try:
            return endpoint(request, **ids)
        except RejectedError as error:
            return error.response
        except RecursionError:
            return invalid(["body"], "JSON decode error: nested too deeply", "json_invalid").response


class Routing:
    """Endpoints by method and path, e.g. `GET /v1/tables/{table_id}`; the method `*` means any."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        resources: dict[str, _Resource] = {}
        for name, endpoint in endpoints.items():
            method, path = name.split(" ")
            resources.setdefault(path, _Resource()).methods[method] = endpoint
        self._routes = [(Route(path, resource), resource) for path, resource in resources.items()]

    def __call__(self, request: Request) -> Response:
        """Answer a request, or return a 404 or 405."""
        scope = {"type": "http", "method": request.method, "path": request.path}
        for route, resource in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                return resource(request, **found["path_params"])
        return message(404, "Not Found")
