"""The admin API: its routes, and what they have in common.

Law: every route states the scope it asks for; each change goes through `mutation`, each error through `problems`.
"""

from typing import Any, Final

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from adapters.http.admin import (
    apply,
    bisecting,
    composites,
    decisions,
    defaults,
    entrance,
    inventory,
    keys,
    log,
    money,
    people,
    planning,
    pools,
    replicas,
    requests,
    rollback,
    sources,
    state,
    table,
    tokens,
    traffic,
)
from adapters.http.admin.asked import mutation_of
from adapters.http.admin.office import Office
from adapters.http.admin.problems import HANDLERS

_VERSION: Final = "1"
_ABOUT: Final = (
    "The control plane of Pointsman. Every change is events in an append-only log; the answer names the position at "
    "which it holds. ETags are versions of entities. Errors are problems (RFC 9457)."
)


def api(office: Office) -> entrance.Entrance:
    """The application for the control port: everything below /admin/v1, and /schema."""
    return entrance.Entrance(build(office), office, describe)


def build(office: Office) -> Litestar:
    """The routes behind the entrance. Raises ValueError for one that states no scope."""
    routes = all_routes()
    entrance.check_scopes(routes)
    return Litestar(
        [Router("/admin/v1", route_handlers=routes)],
        debug=False,
        logging_config=None,
        request_max_body_size=None,
        guards=[entrance.admits],
        dependencies={
            "office": Provide(lambda: office, sync_to_thread=False),
            "who": Provide(entrance.who_asks, sync_to_thread=False),
            "mutation": Provide(mutation_of),
        },
        exception_handlers=dict(HANDLERS),
        openapi_config=OpenAPIConfig(
            title="Pointsman admin API",
            version=_VERSION,
            description=_ABOUT,
            path="/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
            use_handler_docstrings=True,
            security=[{"bearer": []}, {"adminKey": []}],
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(type="http", scheme="bearer"),
                    "adminKey": SecurityScheme(type="apiKey", name="x-admin-key", security_scheme_in="header"),
                }
            ),
        ),
    )


def describe(app: Litestar) -> None:
    """Make the description, which takes a while, and say in it that bodies and answers have no other fields."""
    for schema in (app.openapi_schema.components.schemas or {}).values():
        schema.additional_properties = None if schema.properties is None else False


def all_routes() -> list[Any]:
    """The routes of all modules, their paths below /admin/v1."""
    modules = (
        inventory,
        composites,
        traffic,
        people,
        money,
        defaults,
        pools,
        keys,
        tokens,
        sources,
        apply,
        rollback,
        log,
        table,
        replicas,
        decisions,
        requests,
        state,
        planning,
        bisecting,
    )
    return [route for module in modules for route in module.routes]
