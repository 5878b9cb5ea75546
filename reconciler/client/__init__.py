"""The only access to the API, and to httpx: it returns snapshots and receipts, and classifies errors.

`Reader` only sends GET. `SpendClient` only sends the POST that starts a run, each once. `deliver` posts to webhooks.
Facts about the API have a source, explained in `extruct-api.md`: [D] its reference, [V] the vendor's code, [A] assumed.
What sends over httpx is loaded when it is first used: a plan only reads.
"""

from typing import TYPE_CHECKING

from reconciler.client.http.options import ApiOptions, NoToken, Token
from reconciler.client.reader import Reader

if TYPE_CHECKING:
    from reconciler.client.run_call import SpendClient
    from reconciler.client.webhook import NotDelivered, Post, deliver
else:
    _HOMES = {"SpendClient": "run_call", "NotDelivered": "webhook", "Post": "webhook", "deliver": "webhook"}

    def __getattr__(name: str) -> object:
        """Load a name when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f"module 'reconciler.client' has no attribute {name!r}")
        globals()[name] = found = getattr(__import__(f"reconciler.client.{_HOMES[name]}", fromlist=[name]), name)
        return found


__all__ = [
    "ApiOptions",
    "NoToken",
    "NotDelivered",
    "Post",
    "Reader",
    "SpendClient",
    "Token",
    "deliver",
]
