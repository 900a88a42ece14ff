"""All routes of the loopback Hub in one application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from guide_plugin.testing.hub.account_routes import account_routes
from guide_plugin.testing.hub.call import Site, refuse
from guide_plugin.testing.hub.commit_routes import commit_routes
from guide_plugin.testing.hub.discussion_routes import discussion_routes
from guide_plugin.testing.hub.file_routes import file_routes
from guide_plugin.testing.hub.lfs_routes import lfs_routes
from guide_plugin.testing.hub.refusal import HubRefusal
from guide_plugin.testing.hub.repository_routes import repository_routes
from guide_plugin.testing.hub.revision_routes import revision_routes


def application(site: Site) -> Starlette:
    """Return the application; it expects the raw, quoted path as the path of each request."""
    groups = (
        account_routes,
        repository_routes,
        file_routes,
        commit_routes,
        lfs_routes,
        revision_routes,
        discussion_routes,
    )
    return Starlette(
        routes=[route for group in groups for route in group(site)],
        exception_handlers={HubRefusal: refuse, 404: _nothing},
    )


async def _nothing(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "Sorry, we can't find the page you are looking for."}, 404)
