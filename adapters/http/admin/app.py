"""The admin API: its routes, and what they have in common.

Law: every route states the scope it asks for; each change goes through `mutation`, each error through `problems`.
"""

from typing import Any, Final

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from adapters.http.admin import entrance
from adapters.http.admin.mutation import mutation_of
from adapters.http.admin.office import Office
from adapters.http.admin.problems import HANDLERS

_VERSION: Final = "1"
_ABOUT: Final = (
    "The control plane of Pointsman. Every change is events in an append-only log; the answer names the position at "
    "which it holds. ETags are versions of entities. Errors are problems (RFC 9457)."
)


def api(office: Office) -> entrance.Entrance:
    """The application for the control port: everything below /admin/v1, and /schema."""
    return entrance.Entrance(build(office), office)


def build(office: Office) -> Litestar:
    """The routes behind the entrance. Raises ValueError for one that states no scope."""
    routes = all_routes()
    entrance.check_scopes(routes)
    app = Litestar(
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
    for schema in (app.openapi_schema.components.schemas or {}).values():
        # Said of bodies and held by answers: there are no other fields.
        schema.additional_properties = None if schema.properties is None else False
    return app


def all_routes() -> list[Any]:
    """The routes of all modules, their paths below /admin/v1."""
    # TODO while helpers write these: plain imports in the end
    import importlib
    import importlib.util

    routes = []
    for name in (
        "inventory",
        "composites",
        "traffic",
        "people",
        "credits",
        "defaults",
        "pools",
        "keys",
        "tokens",
        "sources",
        "apply",
        "log",
        "table",
        "replicas",
    ):
        full = f"adapters.http.admin.{name}"
        if importlib.util.find_spec(full) is not None:
            routes += getattr(importlib.import_module(full), "routes", [])
    return routes
