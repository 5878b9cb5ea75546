"""The one door to the API, and to httpx, tenacity and msgspec: snapshots come in, receipts come out, errors are sorted.

`Reader` only ever sends GET. `SpendClient` only ever sends the POST that starts a run, each once.
What the API is known to do, and from where: `extruct-api.md`, [D] its reference, [V] the vendor's code, [A] assumed.
"""

from reconciler.client.http.options import ApiOptions, Token
from reconciler.client.reader import Reader
from reconciler.client.run_call import SpendClient

__all__ = ["ApiOptions", "Reader", "SpendClient", "Token"]
