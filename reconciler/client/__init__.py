"""The only access to the API, and to httpx: it returns snapshots and receipts, and classifies errors.

`Reader` only sends GET. `SpendClient` only sends the POST that starts a run, each once.
Comments name the source of each fact about the API: [D] its reference, [V] the vendor's own code, [A] assumed.
"""

from reconciler.client.http.options import ApiOptions, NoToken, Token
from reconciler.client.probe import Probed, probe
from reconciler.client.reader import Reader
from reconciler.client.run_call import SpendClient

__all__ = ["ApiOptions", "NoToken", "Probed", "Reader", "SpendClient", "Token", "probe"]
