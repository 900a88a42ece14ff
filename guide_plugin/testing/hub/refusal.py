"""How the loopback Hub says no: a status, a code that the client knows, and a sentence."""

from __future__ import annotations

from guide_plugin.errors import HubError


class HubRefusal(HubError):
    """The loopback Hub refuses a request.

    Args:
        status: the HTTP status of the answer.
        message: what is wrong; goes into the body and into `X-Error-Message`.
        code: what the client tells its error classes apart by, in `X-Error-Code`.
        extra: further fields of the body.
        headers: further headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "",
        extra: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.extra = extra or {}
        self.headers = headers or {}


def no_repository(anonymous: bool) -> HubRefusal:
    """Return the answer for a repository that is missing, or that the asker may not know of.

    The Hub tells strangers that they are strangers, 401, and everybody who is logged in that nothing is there, 404.
    """
    if anonymous:
        return HubRefusal(401, "Invalid username or password.", "RepoNotFound")
    return HubRefusal(404, "Repository not found", "RepoNotFound")


def no_revision(revision: str) -> HubRefusal:
    """Return the answer for a branch, tag or commit that is not there."""
    return HubRefusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def no_entry(path: str, commit: str = "") -> HubRefusal:
    """Return the answer for a file that is not there; the client remembers of which commit, where that is said."""
    headers = {"X-Repo-Commit": commit} if commit else {}
    return HubRefusal(404, f"{path} does not exist", "EntryNotFound", headers=headers)
