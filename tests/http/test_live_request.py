"""What a client of the live stream asks for, and with what it may."""

import pytest

from adapters.http.live_request import LiveRequest, authorization, is_foreign, live_request, without_token
from adapters.http.messages import Incoming


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        (b"/live", LiveRequest()),
        (b"/live?", LiveRequest()),
        (b"/live?from=0", LiveRequest(0)),
        (b"/live?from=9007199254740991&pool=a", LiveRequest(2**53 - 1, frozenset({"a"}))),
        (b"/live?pool=a%2Fb&pool=c+d&pool=%C3%A9", LiveRequest(None, frozenset({"a/b", "c d", "é"}))),
    ],
)
def test_a_query_is_read(target: bytes, asked: LiveRequest) -> None:
    """WS-2: where to go on, and which pools; what is wrong is told in tests/e2e/test_live_resumed.py."""
    assert live_request(target) == asked


@pytest.mark.parametrize(
    ("origin", "host", "foreign"),
    [
        (None, b"gateway:9090", False),
        (b"http://gateway:9090", b"gateway:9090", False),
        (b"https://Gateway.example", b"gateway.EXAMPLE", False),
        (b"https://gateway.example", b"gateway.example:443", False),
        (b"http://gateway.example", b"gateway.example:80", False),
        (b"http://[::1]:9090", b"[::1]:9090", False),
        (b"http://gateway.example", b"gateway.example:443", True),
        (b"http://gateway:9091", b"gateway:9090", True),
        (b"http://gateway", b"gateway:9090", True),
        (b"http://user@gateway:9090", b"gateway:9090", True),
        (b"http://gateway:9090/", b"gateway:9090", True),
        (b"file://gateway:9090", b"gateway:9090", True),
        (b"null", b"gateway:9090", True),
        (b"http://[gateway:9090", b"gateway:9090", True),
        (b"", b"", True),
    ],
)
def test_a_page_must_be_of_the_host_it_asks(origin: bytes | None, host: bytes, *, foreign: bool) -> None:
    """RFC 6454: scheme, host and port; which of http and https a proxy in front speaks cannot be known here."""
    fields = {b"host": host} | ({} if origin is None else {b"origin": origin})
    assert is_foreign(fields) is foreign


def test_a_token_may_be_a_subprotocol_and_goes_no_further() -> None:
    """Beside the stream's own, percent-encoded where it must be; `Authorization` goes before it."""
    offered = (b"sec-websocket-protocol", b"pointsman.live , pointsman.token.a%2Fb%25")
    assert authorization({}, [offered]) == b"Bearer a/b%"
    two = [(offered[0], b"pointsman.token.x"), (offered[0], b"pointsman.live")]
    assert authorization({}, two) == b"Bearer x"
    assert authorization({b"authorization": b"Bearer y"}, [offered]) == b"Bearer y"
    assert authorization({}, [(offered[0], b"pointsman.token.x")]) is None
    assert authorization({}, [(offered[0], b"pointsman.live")]) is None
    incoming = Incoming(headers=[(b"host", b"a"), offered, (b"authorization", b"Bearer y")])
    assert without_token(incoming).headers == [(b"host", b"a"), (b"sec-websocket-protocol", b"pointsman.live")]
