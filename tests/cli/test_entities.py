"""`get`, `set`, `delete`, `credits`: entities on a database, without a gateway."""

import json
from typing import Any

import pytest

from adapters.cli.tables import print_rows
from tests.cli.calling import Command


def catalogue(pointsman: Command) -> None:
    """An endpoint, two deployments, and a composite of both."""
    pointsman.done("set", "endpoints", "e", "url=http://127.0.0.1:9/", "name=1e3")
    for name in ("small", "large"):
        pointsman.done("set", "deployments", name, f"alias={name}", f"model_name={name}-1", "endpoint_id=e")
    pointsman.done("set", "composites", "both", "alias=both", "strategy=priority")


def test_an_entity_is_made_changed_and_removed(pointsman: Command) -> None:
    """What is not stated stays; null takes the default; a text that looks like a number is a text where texts are."""
    catalogue(pointsman)
    assert pointsman.told("get", "endpoints", "e")["name"] == "1e3"
    pointsman.done("set", "deployment", "small", "max_concurrent=4", "sanitize_response=true")
    small = pointsman.told("get", "deployment", "small")
    assert (small["max_concurrent"], small["sanitize_response"], small["model_name"]) == (4, True, "small-1")
    pointsman.done("set", "deployments", "small", "max_concurrent=null")
    assert pointsman.told("get", "deployments", "small")["max_concurrent"] is None
    pointsman.done("delete", "deployments", "small")
    assert [one["id"] for one in pointsman.told("get", "deployments")] == ["large"]
    assert "There is no deployment 'small'." in pointsman.refused("get", "deployments", "small")


def test_what_is_shown_can_be_stated_again(pointsman: Command) -> None:
    """`get --json` of every kind goes back through `set --file`, and changes nothing."""
    catalogue(pointsman)
    pointsman.done("set", "tariffs", "t", "model_id=small", "input_price=0.5", "output_price=1")
    pointsman.done("set", "components", "both/small", "weight=3")
    pointsman.done("set", "rules", "small/batch", "action=deny")
    pointsman.done("set", "users", "u", "name=U")
    pointsman.done("set", "groups", "g", "name=G")
    pointsman.done("set", "escalation", 'aliases=["small"]')
    pointsman.done("set", "default-capacity", "batch_capacity=7")
    pointsman.done("set", "settings", "strict_mode=true")
    ones = {
        "endpoints": "e", "deployments": "small", "composites": "both", "components": "both/small", "users": "u",
        "rules": "small/batch", "groups": "g", "tariffs": "t", "escalation": "", "settings": "", "default-capacity": "",
    }  # fmt: skip
    position = head(pointsman)
    for kind, name in ones.items():
        words = (kind, name) if name else (kind,)
        shown = pointsman.told("get", *words)
        pointsman.done("set", *words, "--file", "-", stdin=json.dumps(shown))
        assert pointsman.told("get", *words) == shown
    assert head(pointsman) == position


def head(pointsman: Command) -> int:
    found: int = pointsman.told("status")["head"]
    return found


def test_what_belongs_to_another_is_named_by_both(pointsman: Command) -> None:
    """Components, rules, members and grants; changing one field of a component leaves the others."""
    catalogue(pointsman)
    pointsman.done("set", "components", "both/small", "weight=3", "sort_order=1")
    pointsman.done("set", "components", "both/small", "enabled=false")
    assert pointsman.told("get", "components", "both") == [
        {"deployment_id": "small", "weight": 3, "sort_order": 1, "enabled": False}
    ]
    pointsman.done("set", "users", "u", "name=U")
    pointsman.done("set", "groups", "g", "name=G")
    pointsman.done("set", "members", "g/u")
    pointsman.done("set", "grants", "g/small")
    assert pointsman.told("get", "members", "g") == [{"id": "u"}]
    assert pointsman.told("get", "grants", "g/small") == {"id": "small"}
    pointsman.done("delete", "members", "g/u")
    assert pointsman.told("get", "members", "g") == []
    assert "There is no 'u' among the members." in pointsman.refused("get", "members", "g/u")
    assert "GROUP/ID" in pointsman.refused("get", "members")
    assert "COMPOSITE/DEPLOYMENT" in pointsman.refused("set", "components", "both", "weight=1")


def test_people_get_tables_without_markup(pointsman: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """A name is a name, whatever it looks like to rich or a terminal."""
    pointsman.done("set", "groups", "g", "name=[bold]G[/bold]")
    assert "[bold]G[/bold]" in pointsman.done("get", "groups")
    assert "[bold]G[/bold]" in pointsman.done("get", "groups", "g")
    print_rows([{"id": "\x1b[31mred", "[i]labels": {"a": "\r"}, "parts": [{"name": "\n"}, {"a": None, "b": 1}]}])
    said = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in said] == [
        r"id           [i]labels  parts",
        r"\x1b[31mred  a=\r       \n, (b=1)",
    ]


def test_a_dry_run_tells_and_changes_nothing(pointsman: Command) -> None:
    """The same sentences as in the log."""
    catalogue(pointsman)
    position = head(pointsman)
    assert "~ endpoint e: name 1e3 → two" in pointsman.done("set", "endpoints", "e", "name=two", "--dry-run")
    assert "- composite both was removed" in pointsman.done("delete", "composites", "both", "--dry-run")
    planned = pointsman.done("set", "endpoints", "e", "name=two", "--dry-run")
    assert planned.startswith("Nothing is changed yet. Once it is:\n")
    same = pointsman.done("set", "endpoints", "e", "name=1e3", "--dry-run")
    assert same == "Nothing would be different.\n"
    plan = pointsman.told("set", "endpoints", "e", "name=two", "--dry-run")
    assert (plan["dry_run"], len(plan["events"])) == (True, 1)
    assert head(pointsman) == position


WRONG: tuple[tuple[tuple[str, ...], str], ...] = (
    (("set", "endpoints", "e", "url=nowhere"), "url: "),
    (("set", "endpoints", "e", "colour=red", "url=http://h/"), "colour: there is no such field"),
    (
        ("set", "deployments", "d", "alias=d", "model_name=d", "endpoint_id=e", "max_concurrent=-1"),
        "max_concurrent",
    ),
    (("set", "deployments", "d", "alias=d"), "valid: fields alias, model_name, endpoint_id"),
    (("set", "composites", "c", "alias=c", "strategy=random"), "valid: weighted_random, priority, "),
    (("set", "endpoints", "e", "url"), "FIELD=VALUE"),
    (("set", "endpoints", "e", "a=1", "a.b=2"), "stated twice"),
    (("set", "endpoints", "e"), "Nothing is to be set"),
    (("set", "endpoints"), "Which of the endpoints?"),
    (("set", "endpoints", "..", "url=http://h/"), "An id cannot be"),
    (("set", "faults", "a", "b=1"), "cannot be written"),
    (("set", "endpoints", "e", "url=http://h/", "--file", "-"), "not both"),
    (("delete", "settings", "x"), "cannot be deleted"),
    (("get", "settings", "x"), "There is one settings"),
    (("get", "wheels"), "there is no kind 'wheels'; valid: endpoints, "),
    (("delete", "users", "nobody"), "There is no user 'nobody'."),
    (("credits", "nobody"), "There is no user 'nobody'."),
)


def test_what_needs_no_field_is_made_without_one(pointsman: Command) -> None:
    """A user and a group; again it changes nothing."""
    for kind in ("user", "group"):
        pointsman.done("set", kind, "x")
        position = head(pointsman)
        pointsman.done("set", kind, "x")
        assert (pointsman.told("get", kind, "x")["name"], head(pointsman)) == ("", position)


def test_what_a_document_leaves_out_is_told(pointsman: Command) -> None:
    """KEY-1: an export holds names of credentials, not secrets; whoever exports or applies one hears which. What is in
    the same vault already is not asked for again, and what refers to a secret elsewhere is not in any.
    """
    url = "url=http://127.0.0.1:9/"
    pointsman.done("set", "endpoint", "kept", url, "--secret-from-file", "-", stdin="sk-upstream-0123456789\n")
    pointsman.done("set", "endpoint", "referred", url, "api_key=env:UPSTREAM")
    for name in ("all.json", "all.yaml"):
        said = pointsman("export", "--out", name).stderr
        assert "warning: endpoint kept: the secret cred-" in said
        assert "pointsman set endpoint kept --secret-from-file FILE" in said
        assert "referred" not in said
        assert "warning" not in pointsman("apply", name, "--yes").stderr
        other = Command(pointsman.folder, pointsman.folder / f"of-{name}.db")
        assert said.splitlines()[1:] == other("apply", name, "--yes").stderr.splitlines()


def test_what_another_owns_is_refused_with_its_line_and_both_cures(pointsman: Command) -> None:
    """ENTRY: a file that names a pool of the API's is refused where it names it, as `check` would say it."""
    pointsman.done("set", "pool", "chat", 'providers=[{"name": "p", "url": "http://127.0.0.1:9/"}]')
    (pointsman.folder / "f.yaml").write_text(
        "targets:\n  other: {url: http://127.0.0.1:9/}\n  chat: {url: http://h/}\n"
    )
    said = pointsman.refused("apply", "f.yaml", "--yes")
    assert "f.yaml: line 3: $.targets.chat: is not this file's" in said
    assert "valid: another name, or delete the pool there first" in said


def test_wrong_input_is_2_and_says_what_would_do(pointsman: Command) -> None:
    """Nothing is changed, and nothing but the sentence is told."""
    pointsman.done("set", "users", "u", "name=U")
    position = head(pointsman)
    for words, said in WRONG:
        assert said in pointsman.refused(*words, stdin="{}"), words
    assert head(pointsman) == position


def test_a_secret_is_not_taken_from_the_command_line(pointsman: Command) -> None:
    """KEY-1: from a file or standard input, or as a reference; it is in no output, of no verb."""
    secret = "sk-upstream-0123456789"
    for value in (f"api_key={secret}", f"api_key={secret[:10]}", f'providers=[{{"api_key": "{secret}"}}]'):
        said = pointsman.refused("set", "endpoints", "e", "url=http://127.0.0.1:9/", value)
        assert "--secret-from-file" in said
        assert secret[:10] not in said
    said = pointsman.refused("set", "endpoints", "e", secret)
    assert secret not in said
    printed = pointsman(
        "set", "endpoints", "e", "url=http://127.0.0.1:9/", "--secret-from-file", "-", stdin=f"{secret}\n"
    )
    assert printed.exit_code == 0
    one = pointsman.told("get", "endpoints", "e")
    assert one["credential"].startswith("cred-")
    (pointsman.folder / "secret").write_text(f"{secret}\n")
    pointsman.done("set", "endpoints", "f", "url=http://127.0.0.1:9/", "--secret-from-file", "secret")
    assert pointsman.told("get", "endpoints", "f")["credential"] == one["credential"]
    pointsman.done("set", "endpoints", "g", "url=http://127.0.0.1:9/", "api_key=env:UPSTREAM")
    assert pointsman.told("get", "endpoints", "g")["credential"] == "env:UPSTREAM"
    everything = [printed.output, *(pointsman.done(*words) for words in (("log",), ("export",), ("show", "--json")))]
    assert all(secret not in text for text in everything)
    assert secret.encode() not in pointsman.database.read_bytes()


def test_credits_are_booked_and_told(pointsman: Command) -> None:
    """SYNC-5: purchases add, usage subtracts."""
    pointsman.done("set", "users", "u", "name=U")
    pointsman.done("credits", "u", "--add", "purchase", "5.50")
    pointsman.done("credits", "u", "--add", "usage", "1.25")
    told: Any = pointsman.told("credits", "u")
    assert (told["balance"], told["is_funded"]) == ("4.25", True)
    assert "4.25" in pointsman.done("credits", "u")


def test_tokens_and_keys_are_listed_without_their_secrets(pointsman: Command) -> None:
    """AUTH-9: a secret is told by the answer that made it and by no other; one that was brought along by none."""
    made = pointsman.told("keys", "create", "a", "--max-concurrent", "4")["secret"]
    own = "sk-brought-along-0123456789"
    brought = pointsman("keys", "create", "b", "--secret-from-file", "-", stdin=own)
    token = pointsman("token", "create", "ci", "--scope", "read", "--expires", "2w")
    assert token.stdout.startswith("pmt-")
    assert (brought.exit_code, brought.stdout) == (0, "")
    listed = pointsman.told("keys", "list")
    assert {one["key_id"]: one["limits"]["max_concurrent"] for one in listed} == {"a": 4, "b": None}
    texts = [pointsman.done("keys", "list"), pointsman.done("token", "list"), brought.output, json.dumps(listed)]
    for secret in (made, own, token.stdout.strip()):
        assert all(secret not in text for text in texts)
    (listed_token,) = pointsman.told("token", "list")
    pointsman.done("token", "revoke", listed_token["token_id"])
    assert pointsman.told("token", "list") == []
    assert "valid: RFC 3339" in pointsman.refused("keys", "create", "c", "--expires", "soon")
    assert "There is a key 'a' already" in pointsman.refused("keys", "create", "a", code=1)
