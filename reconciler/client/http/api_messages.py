"""The API's answers in words for people: short, without control characters, and never with the token."""

from typing import Any

from reconciler.client.http.lenient_json import check_utf8, loads
from reconciler.client.http.options import ApiOptions
from reconciler.errors import BadResponse, Refused
from reconciler.text.sanitize import one_line

LONGEST = 200
"""The most characters of the API's own text in one message."""

_PAYMENT = {  # detail.error of a 402 [V]
    "plan_required": ("the workspace's plan does not include this", "Upgrade the plan, then plan again."),
    "payment_failed": ("the workspace's last payment failed", "Settle it in the billing page, then plan again."),
    "insufficient_credits": (
        "the workspace does not have enough credits",
        "Buy credits or narrow the plan, then plan again.",
    ),
}
_STATUS = {
    400: ("the API rejected the request as malformed", "Report this: the reconciler sent something wrong."),
    401: ("the token is missing or wrong", "Check EXTRUCT_API_TOKEN."),
    402: ("payment required", "Look at the workspace's billing page, then plan again."),
    403: ("the token is not allowed to do this", "Check that the token belongs to this workspace."),
    404: ("there is no such table in this workspace", "Check the table id, and whose token this is."),
    405: ("the API does not accept this kind of request here", "Check the API's base URL."),
    407: ("a proxy asks for user and password", "Put them into its URL: http://user:password@host:port."),
    409: ("the table is in a state that does not allow it", "Look at the table, then plan again."),
    410: ("the table is gone", "Take it out of the manifests, or check the table id."),
    413: ("the request is too large", "Lower api.max_cells_per_call."),
    422: ("the API does not accept a row, a column or the mode", "Plan again: the table may have changed."),
    429: ("no more requests for now: quota or billing", "Wait, or look at the workspace's billing page."),
}


def refusal(status: int, body: bytes, *, where: str, options: ApiOptions) -> Refused:
    """Return the error for a refusing answer; `body` may be anything, even cut off."""
    what, hint = _STATUS.get(status, ("the API refused the request", "Look the status up in the API's documentation."))
    detail = _detail(body)
    if status == 404 and "/tables" not in where:
        what, hint = "the API has nothing there", "Check the API's base URL."
    if status == 402 and isinstance(detail, dict):
        error = detail.get("error")
        what, hint = _PAYMENT.get(error if isinstance(error, str) else "", (what, hint))
    return Refused(f"{where}: {status}, {what}{reasons(body, options)}", hint=hint, status=status)


def reasons(body: bytes, options: ApiOptions) -> str:
    """Return the API's own words for an error, in parentheses after a space; empty if there are none."""
    said = spoken(_message(_detail(body)), options)
    return f" ({said})" if said else ""


def spoken(text: str, options: ApiOptions) -> str:
    """Return text from outside, safe to print: redacted, sanitized, on one line, cut after `LONGEST` characters."""
    return one_line(" ".join(options.redact(text[: LONGEST * 20]).split()), LONGEST)


def _detail(body: bytes) -> Any:
    try:
        check_utf8(body)
        shown = loads(str(body, "utf-8-sig"))
    except BadResponse:
        return None
    return shown.get("detail") if isinstance(shown, dict) else None


def _message(detail: Any) -> str:
    """Return the message in a `detail`: a string, `{"error", "message"}` [V], or a list of `{"loc", "msg"}`."""
    if isinstance(detail, str):
        return detail
    if isinstance(detail, dict):
        parts = [detail.get("error"), detail.get("message")]
        return ": ".join(part for part in parts if isinstance(part, str))
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        loc, message = detail[0].get("loc"), detail[0].get("msg")
        location = ""
        if isinstance(loc, list):  # anything else than names and positions may be nested deeper than can be written
            location = ".".join(str(part)[:40] for part in loc[:6] if isinstance(part, str | int))
        more = f" and {len(detail) - 1} more" if len(detail) > 1 else ""
        return ": ".join(part for part in (location, message) if isinstance(part, str) and part) + more
    return ""
