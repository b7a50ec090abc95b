"""A request for each route that changes something: what must be there before, and what then is a real change."""

from typing import Any

import attrs


@attrs.frozen
class Sample:
    method: str
    path: str
    body: Any = None


ENDPOINT = Sample("PUT", "/endpoints/e", {"url": "https://api.example/v1", "api_key": "sk-upstream-1"})
DEPLOYMENT = Sample("PUT", "/deployments/d", {"alias": "chat", "model_name": "m", "endpoint_id": "e"})
OTHER = Sample("PUT", "/deployments/d2", {"alias": "other", "model_name": "m2", "endpoint_id": "e"})
COMPOSITE = Sample("PUT", "/composites/c", {"alias": "both", "components": [{"deployment_id": "d", "weight": 3}]})
RULE = Sample("PUT", "/models/c/rules/batch", {"action": "redirect", "target_id": "d"})
USER = Sample("PUT", "/users/u", {"name": "Una"})
GROUP = Sample("PUT", "/groups/g", {"name": "Staff"})
MEMBER = Sample("PUT", "/groups/g/members/u")
GRANT = Sample("PUT", "/groups/g/grants/c")
TARIFF = Sample("PUT", "/tariffs/t", {"model_id": "c", "input_price": "0.01", "output_price": "0.02"})
POOL = Sample("PUT", "/pools/team/chat", {"providers": [{"name": "one", "url": "http://127.0.0.1:9/v1"}]})
WORLD = (ENDPOINT, DEPLOYMENT, OTHER, COMPOSITE, RULE, USER, GROUP, MEMBER, GRANT, TARIFF, POOL)
"""In an order in which each makes sense."""

CHANGES = (
    Sample("PUT", "/endpoints/e", {"url": "https://api.example/v2"}),
    Sample("PATCH", "/endpoints/e", {"name": "Example"}),
    Sample("PUT", "/deployments/d", {"alias": "chat", "model_name": "m9", "endpoint_id": "e"}),
    Sample("PATCH", "/deployments/d", {"max_concurrent": 7}),
    Sample("PUT", "/composites/c", {"alias": "both", "strategy": "priority"}),
    Sample("PATCH", "/composites/c", {"components": []}),
    Sample("PUT", "/composites/c/components/d2", {"weight": 2}),
    Sample("DELETE", "/composites/c/components/d2"),
    Sample("PUT", "/models/c/rules/batch", {"action": "deny"}),
    Sample("DELETE", "/models/c/rules/batch"),
    Sample("PUT", "/users/u", {"name": "Uma"}),
    Sample("PATCH", "/users/u", {"name": "Ulla"}),
    Sample("POST", "/users/u/credits", {"kind": "purchase", "amount": "12.50"}),
    Sample("POST", "/users/u/credits/checkpoint", {"balance": "3.25", "seq": 4}),
    Sample("PUT", "/groups/g", {"name": "Crew"}),
    Sample("PATCH", "/groups/g", {"name": "Team"}),
    Sample("DELETE", "/groups/g/members/u"),
    Sample("PUT", "/groups/g/members/u"),
    Sample("DELETE", "/groups/g/grants/c"),
    Sample("PUT", "/groups/g/grants/c"),
    Sample("PUT", "/tariffs/t", {"model_id": "c", "input_price": "0.5", "output_price": "0"}),
    Sample("PATCH", "/tariffs/t", {"valid_until": "2030-01-01T00:00:00Z"}),
    Sample("PUT", "/settings", {"strict_mode": True}),
    Sample("PATCH", "/settings", {"idle_timeout_s": 12.5}),
    Sample("PUT", "/escalation", {"aliases": ["chat"]}),
    Sample("PUT", "/capacities/default", {"batch_capacity": 5}),
    Sample("PUT", "/pools/team/chat", {"strategy": "priority"}),
    Sample("PATCH", "/pools/team/chat", {"limits": {"burst": 3, "requests_per_second": 0.5}}),
    Sample("DELETE", "/pools/team/chat"),
    Sample("DELETE", "/tariffs/t"),
    Sample("DELETE", "/groups/g"),
    Sample("DELETE", "/users/u"),
    Sample("DELETE", "/composites/c"),
    Sample("DELETE", "/deployments/d2"),
    Sample("DELETE", "/deployments/d"),
    Sample("DELETE", "/endpoints/e"),
    Sample("POST", "/rollback", {"to": 0}),
)
"""After the world, in this order, each changes something."""

OFFICE = (
    Sample("POST", "/apply", {"name": "r.json", "content": '{"targets": {"x": {"url": "http://127.0.0.1:9/v1"}}}'}),
    Sample("POST", "/sources/sent:r.json/release"),
    Sample("POST", "/sources/sent:r.json/claim"),
    Sample("POST", "/keys", {"key_id": "k"}),
    Sample("PATCH", "/keys/k", {"labels": {"team": "a"}}),
    Sample("POST", "/keys/k/rotate", {}),
    Sample("DELETE", "/keys/k"),
    Sample("POST", "/tokens", {"name": "T", "scope": "read"}),
    Sample("DELETE", "/tokens/writer"),
)
"""What makes secrets, or has a plan of its own."""

ASKING = (
    Sample("POST", "/plan", {"name": "r.json", "content": '{"targets": {"x": {"url": "http://127.0.0.1:9/v1"}}}'}),
)
"""What is sent and changes nothing."""
