"""Who am I, and is this model card in order."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guide_plugin.testing.hub.call import Call, Site, route
from guide_plugin.testing.hub.cards import problems, warnings
from guide_plugin.testing.hub.refusal import HubRefusal


def account_routes(site: Site) -> list[Route]:
    """Return the routes."""
    return [
        route(site, "GET", "/api/whoami-v2", _whoami),
        route(site, "POST", "/api/validate-yaml", _validate_yaml),
    ]


def _whoami(call: Call) -> Response:
    if call.account is None:
        raise HubRefusal(401, "Invalid username or password.")
    account = call.account
    role = {"displayName": "sandbox", "role": account.role}
    return JSONResponse(
        {
            "type": "user",
            "id": account.name,
            "name": account.name,
            "fullname": account.name,
            "isPro": False,
            "orgs": [
                {"type": "org", "id": name, "name": name, "fullname": name, "roleInOrg": "write"}
                for name in account.organisations
            ],
            "auth": {"type": "access_token", "accessToken": role},
        }
    )


def _validate_yaml(call: Call) -> Response:
    content = call.json().get("content")
    if not isinstance(content, str):
        raise HubRefusal(400, "content must be a text.")
    wrong = problems(content.encode())
    remarks = [] if wrong else warnings(content.encode())
    body = {"errors": [{"message": one} for one in wrong], "warnings": [{"message": one} for one in remarks]}
    return JSONResponse(body, 400 if wrong else 200)
