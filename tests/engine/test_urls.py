"""Provider addresses and request paths."""

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.urls import is_plain_path, join_path, normalise


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://h/v1", "https://h/v1/"),
        ("https://h", "https://h/"),
        ("https://h/v1/", "https://h/v1/"),
        ("http://127.0.0.1:8000/a/b", "http://127.0.0.1:8000/a/b/"),
        ("http://[::1]:8000", "http://[::1]:8000/"),
        ("http://my_service.local", "http://my_service.local/"),
    ],
)
def test_a_base_ends_in_a_slash(url: str, normal: str) -> None:
    """URL-1: one is appended where it is missing, and doing it again changes nothing."""
    assert normalise(url) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("https://h/v1?api-version=1", "query"),
        ("https://h/v1#top", "fragment"),
        ("https://h/v1?", "query"),
        ("https://h/v1#", "fragment"),
    ],
)
def test_a_query_in_a_base_is_refused(url: str, part: str) -> None:
    """URL-5: it would be lost when a path is joined, so it is said instead."""
    with pytest.raises(ValueError, match=part):
        normalise(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "not absolute"),
        ("/v1", "not absolute"),
        ("ftp://h/", "scheme"),
        ("h:8000/v1", "scheme"),
        ("https:///v1", "no host"),
        ("https://h:0/", "impossible port"),
        ("https://h:65536/", "malformed"),
        ("https://h:x/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://[v1.x]/", "no host name"),
        ("https://h\\evil/", "no host name"),
        ("https://a%2fb/", "no host name"),
        ("https://h<x>/", "no host name"),
        ("https://user:secret@h/", "user information"),
        ("https://h/a b", "space"),
        ("https://h/a\nb", "control"),
        ("https://höst/", "punycode"),
        ("https://h/ä", "ASCII"),
    ],
)
def test_what_cannot_serve_as_a_base_is_refused(url: str, why: str) -> None:
    """URL-1, DEF-31: a sentence says what is wrong; none of it repeats a password."""
    with pytest.raises(ValueError, match=why) as caught:
        normalise(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("base", "path", "joined"),
    [
        ("/v1/", "/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/", "/v1x/y", "/v1/v1x/y"),
        ("/v2/", "/v1/y", "/v2/v1/y"),
        ("/", "/v1/y", "/v1/y"),
        ("/api/v1/", "/api/v1/models", "/api/v1/models"),
        ("/v1/", "/v1", "/v1/"),
        ("/v1/", "/v1/", "/v1/"),
        ("/v1/", "/v1/v1/x", "/v1/v1/x"),
        ("/v1/", "/v1?x", "/v1/v1?x"),
        ("/", "/", "/"),
    ],
)
def test_a_path_is_appended_without_doubling_the_prefix(base: str, path: str, joined: str) -> None:
    """URL-2: the table of the spec; URL-3: the query is not this function's, so `?` is no end of a prefix."""
    assert join_path(base, path) == joined


@pytest.mark.parametrize(
    "path",
    [
        "",
        "v1/x",
        "http://evil.example/",
        "//evil.example/x",
        "/v1//x",
        "/..",
        "/../x",
        "/v1/../x",
        "/v1/..",
        "/./x",
        "/.",
        "/%2e%2e/x",
        "/%2E./x",
        "/v1/.%2e",
        "/..%2fadmin",
        "/v1%2F..%2Fadmin",
        "/v1/..;/admin",
        "/v1/..%3Badmin",
        "/v1/..\\x",
        "/\\evil.example/x",
        "/%5c%5cevil",
        "/a b",
        "/a\tb",
        "/a\r\nhost: evil",
        "/\x00",
        "/\x7f",
        "/a#b",
        "/ä",
        "/\u2028",
        "/http://evil/",
    ],
)
def test_a_path_that_could_escape_is_not_plain(path: str) -> None:
    """URL-4, DEF-35: dot segments however written, empty segments, backslashes, controls, other hosts."""
    assert not is_plain_path(path)


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v1/models/org%2Fname", "/a.b/c..d/...", "/.well-known/x", "/v1/a:b@c", "/%C3%A4"]
)
def test_ordinary_paths_are_plain(path: str) -> None:
    """URL-2: what clients send is not refused for looking unusual."""
    assert is_plain_path(path)


PARTS = st.sampled_from(
    ["/", "//", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", "v1", "api", "x", ":", "@", "evil.example", "http:", ";"]
)
PATHS = st.one_of(
    st.lists(PARTS, max_size=8).map(lambda parts: "/" + "".join(parts)),
    st.text(max_size=20).map(lambda text: "/" + text),
)


@given(path=PATHS, base=st.sampled_from(["/", "/v1/", "/api/v1/", "/a.b/"]))
@example(path="/v1/..%2f..%2fx", base="/v1/")
def test_a_joined_path_stays_under_its_base_at_its_host(path: str, base: str) -> None:
    """URL-4, DEF-35: for every accepted path, the joined address keeps scheme, host, port and path prefix."""
    if not is_plain_path(path):
        return
    joined = join_path(base, path)
    assert joined.startswith(base)
    provider = httpx.URL(f"https://provider.example:8443{base}")
    resolved = provider.join(joined)
    assert (resolved.scheme, resolved.host, resolved.port) == ("https", "provider.example", 8443)
    assert resolved.raw_path.decode("ascii").startswith(base)
    assert provider.copy_with(raw_path=joined.encode("ascii")).host == "provider.example"
    # An upstream that unescapes before it resolves stays there too.
    unescaped = httpx.URL("https://h/").copy_with(raw_path=httpx_unescaped(joined).encode("ascii"))
    assert unescaped.path.startswith(base)


def httpx_unescaped(path: str) -> str:
    for escape, character in (("%2e", "."), ("%2f", "/")):
        path = path.replace(escape, character).replace(escape.upper(), character)
    return path.partition(";")[0]


@given(st.text(alphabet="htps:/[]@.%\\?# ab1é", max_size=20).map("http://".__add__))
def test_every_accepted_base_is_an_address_for_httpx_too(url: str) -> None:
    """DEF-31: what passes here cannot fail a request for its address."""
    try:
        normal = normalise(url)
    except ValueError:
        return
    assert normal.endswith("/")
    assert normalise(normal) == normal
    assert httpx.URL(normal).host
