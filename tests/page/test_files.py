"""The dashboard's files as they are sent, without a browser."""

import re
from pathlib import Path

from adapters.http.messages import Incoming, Response
from adapters.http.page import Page
from adapters.page import ADDRESS, files

FILES = files()
PAGE = Page(FILES)


def answer(path: str, **fields: str) -> Response | None:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    return PAGE.answer(Incoming("GET", path.encode(), fields=named), path)


def test_all_that_is_referred_to_is_there() -> None:
    """By the page, its style sheets and its modules; and nothing is there that nobody refers to."""
    seen, waiting = set(), ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = FILES[path].body.decode()
        waiting += re.findall(r'(?:href|src)="(/page/[^"]+)"', text)
        waiting += [ADDRESS + one for one in re.findall(r'from "\./([^"]+)"', text)]
    assert seen == set(FILES)


async def test_an_unchanged_file_is_not_sent_again() -> None:
    """RFC 9110: by its entity tag, weak or one of several; the headers that guard it come with both answers."""
    first = answer("/")
    assert first is not None
    headers = dict(first.headers)
    assert (first.status, headers[b"content-type"]) == (200, b"text/html; charset=utf-8")
    assert await first.receive() == FILES["/"].body
    etag = headers[b"etag"].decode()
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = answer("/", if_none_match=known)
        assert again is not None
        assert (again.status, await again.receive()) == (304, b"")
    changed = answer("/", if_none_match='"other"')
    assert changed is not None
    assert changed.status == 200
    for found in (first, changed):
        guards = dict(found.headers)
        assert guards[b"cache-control"] == b"no-cache"
        assert guards[b"x-content-type-options"] == b"nosniff"
        assert guards[b"referrer-policy"] == b"no-referrer"
        assert b"unsafe" not in guards[b"content-security-policy"]
        assert guards[b"content-security-policy"].startswith(b"default-src 'none'; script-src 'self'; style-src 'self'")


def test_every_picture_of_the_docs_is_there() -> None:
    """And none that no page shows; `make screenshots` makes them all."""
    docs = Path(__file__).resolve().parents[2] / "docs"
    shown = {name for page in docs.glob("*.md") for name in re.findall(r"\(images/([^)]+)\)", page.read_text())}
    assert shown == {path.name for path in (docs / "images").iterdir()}


def test_nothing_else_is_served() -> None:
    """Neither the package's Python nor anything beside it."""
    for path in ("/page/", "/page/__init__.py", "/page/../http/page.py", "/page/index.html", "/index.html"):
        assert answer(path) is None
    assert {file.content_type.partition(";")[0] for file in FILES.values()} == {
        "text/html",
        "text/css",
        "text/javascript",
        "image/svg+xml",
    }


def test_the_page_is_all_our_own() -> None:
    """No address of anybody else, no style or script in the markup, nothing that makes markup of data."""
    text = {path: file.body.decode() for path, file in FILES.items()}
    for path, content in text.items():
        assert set(re.findall(r"https?://[^\s\"'`)]+", content)) <= {"http://www.w3.org/2000/svg"}, path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", content), path
    assert not re.search(r'\s(?:style|on\w+)="|<script(?![^>]*src=)|<style', text["/"])
