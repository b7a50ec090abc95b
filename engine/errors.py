"""Every error the gateway raises on purpose. They carry data; each adapter translates at its own edge.

PointsmanError
├── Refused                 a request will not be served: one `Reason`, one message
├── UpstreamFailed          an attempt ended without an answer: one `Failure`
├── Rejected                a command would break the table: all its `Problem`s
├── Owned                   a command would change what a file manages
├── Outdated                a command was meant for another version of an entity
├── StartFailed             the process cannot start or cannot go on: one sentence for the operator
└── StoreError
    ├── WrongPosition       the log has moved on; decide again
    ├── IdempotencyConflict these event ids exist with other content
    ├── StoreUnavailable    surely not applied
    ├── OutcomeUnknown      perhaps applied; retry with the same event ids
    ├── LogDamaged          what is stored cannot be what was appended
    └── JournalUnavailable  the recorded journal, not the log, cannot be read or written
"""

from enum import Enum

import attrs

from engine.limiter import Quota
from engine.names import Alias, KeyId, Nanoseconds, Position, Source, Stream

NO_MODEL = (
    "Could not parse onwards model from request. 'model' parameter must be supplied in either the body or in the "
    "Model-Override header."
)
"""The text of MODEL-2."""


class Reason(Enum):
    """Why a request was refused; `adapters/http/problems.py` gives each its status and text (ERR-2 to ERR-13)."""

    BAD_REQUEST = "bad_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    PAYMENT_REQUIRED = "insufficient_credits"
    MODEL_NOT_FOUND = "model_not_found"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TIMED_OUT = "request_timeout"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    EXPECTATION_FAILED = "expectation_failed"
    HEADERS_TOO_LARGE = "headers_too_large"
    UNPROCESSABLE = "unprocessable_request"
    RATE_LIMIT = "rate_limit"
    CONCURRENCY_LIMIT = "concurrency_limit_exceeded"
    INTERNAL = "internal_error"
    BAD_GATEWAY = "bad_gateway"
    UNAVAILABLE = "service_unavailable"
    UPSTREAM_TIMEOUT = "gateway_timeout"
    UPSTREAM_REJECTED = "upstream_error"


class Failure(Enum):
    """How an attempt can end without an answer."""

    CREDENTIAL = "credential"
    """The gateway does not have the provider's credential. Nothing was sent."""
    CONNECT = "connect"
    """No connection: refused, unresolved, TLS. The upstream has not seen the request."""
    BROKEN = "broken"
    """The connection ended after the request was sent. The upstream may have executed it."""
    TIMEOUT = "timeout"
    """No response headers in time. The upstream may have executed it."""


class Scope(Enum):
    """Whose limit refused a request (RL-3)."""

    KEY = "key"
    POOL = "pool"
    PROVIDER = "provider"
    UPSTREAM = "upstream"
    "The providers' own, as they have told the gateway."


class PointsmanError(Exception):
    """The root of the tree above."""


@attrs.define(eq=False, auto_exc=False)
class Refused(PointsmanError):
    """Not frozen as the others are, and without `args`: it is made for a client who waits, and is so in a third of the
    time.
    """

    reason: Reason
    message: str | None = None
    "For the caller; None takes the reason's standing text."
    param: str | None = None
    "The request field at fault, as in the OpenAI error envelope."
    is_exhausted: bool = False
    "Whether all that may be tried was tried, so that the client had better not ask again at once."
    scope: Scope | None = None
    "Whose limit it was, where it was one."
    retry_after_ns: Nanoseconds | None = None
    "When asking again may help, where that is known."
    quota: Quota | None = None
    "Of the rate limit that refused."
    status: int | None = None
    "For UPSTREAM_REJECTED: the upstream's, which is the client's too."
    key_id: KeyId | None = None
    "Of a caller who was not let in, as `pool`."
    pool: Alias | None = None
    why: str | None = None
    "For the log: the pool's own word for it, where several come to one reason."


@attrs.frozen
class UpstreamFailed(PointsmanError):
    failure: Failure
    detail: str = ""
    "For the log only: may name addresses, never a credential."


@attrs.frozen
class Problem:
    """One thing that is wrong in a wished-for configuration."""

    where: tuple[str | int, ...]
    "Path from the table's root, e.g. ('pools', 'chat', 'providers', 0, 'weight')."
    what: str
    valid: str
    "What would be accepted there."


@attrs.frozen
class Rejected(PointsmanError):
    problems: tuple[Problem, ...]


@attrs.frozen
class Owned(PointsmanError):
    stream: Stream
    "The entity."
    owner: Source
    "The file that manages it."


@attrs.frozen
class Outdated(PointsmanError):
    stream: Stream
    expected: int
    "The version that was meant."
    actual: int
    "The present one; 0: there is no such entity yet."


@attrs.frozen
class StartFailed(PointsmanError):
    sentence: str
    wrong_input: bool = False
    "True where the operator's input is at fault (exit code 2), else 1."

    def __str__(self) -> str:
        return self.sentence


class StoreError(PointsmanError):
    """The event store could not do what was asked."""

    advice = ""
    "What an operator has to do about it, where waiting does not help."


@attrs.frozen
class WrongPosition(StoreError):
    expected: Position
    actual: Position


class IdempotencyConflict(StoreError):
    """An event id is already in the log with other content."""


class StoreUnavailable(StoreError):
    """The store did not take the call; nothing was applied."""


class OutcomeUnknown(StoreError):
    """The store went away during the call; a retry with the same event ids settles it."""


@attrs.frozen
class LogDamaged(StoreError):
    position: Position
    detail: str

    def __str__(self) -> str:
        return f"event {self.position}: {self.detail}"


class JournalUnavailable(StoreError):
    """The recorded journal cannot be read or written for now; the message says why. The event log is another file."""
