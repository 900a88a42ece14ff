"""Who asks: tokens, users, their organisations, and what each may do. Tokens are kept in memory alone."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from guide_plugin.testing.hub.names import checked_namespace
from guide_plugin.testing.hub.refusal import HubRefusal, no_repository
from guide_plugin.testing.hub.repository import Repository

Role = Literal["read", "write"]


@dataclass(frozen=True)
class Account:
    """A user, as one of their tokens shows them."""

    name: str
    role: Role
    organisations: tuple[str, ...]

    def belongs_to(self, namespace: str) -> bool:
        """Say whether repositories under this name are theirs."""
        return namespace == self.name or namespace in self.organisations


class Accounts:
    """All tokens that were given out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_hash: dict[str, Account] = {}

    def token(self, user: str, role: Role, organisations: Iterable[str]) -> str:
        """Return a new token of a user."""
        account = Account(checked_namespace(user), role, tuple(map(checked_namespace, organisations)))
        token = "hf_" + secrets.token_urlsafe(26).replace("-", "x").replace("_", "y")
        with self._lock:
            self._by_hash[_hash(token)] = account
        return token

    def who(self, authorization: str | None) -> Account | None:
        """Return who sends this `Authorization` header; `None` is anybody.

        Raises:
            HubRefusal: 401, the token was never given out. The Hub refuses it even for what is public.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        account = self._by_hash.get(_hash(token.strip())) if scheme.lower() == "bearer" else None
        if account is None:
            raise HubRefusal(401, "Invalid credentials in Authorization header")
        return account


def may_see(account: Account | None, repository: Repository) -> bool:
    """Say whether somebody may know that a repository exists."""
    return not repository.settings.private or (account is not None and account.belongs_to(_namespace(repository)))


def check_can_read(account: Account | None, repository: Repository) -> None:
    """Let somebody at the files of a repository that they may see.

    Raises:
        HubRefusal: GatedRepo, 401 for strangers and 403 for users who were not let through.
    """
    if not repository.settings.gated:
        return
    if account is None:
        message = f"Access to model {repository.id} is restricted. You must have access to it and be authenticated."
        raise HubRefusal(401, message, "GatedRepo")
    if not account.belongs_to(_namespace(repository)) and account.name not in repository.settings.granted:
        message = f"Access to model {repository.id} is restricted and you are not in the authorized list."
        raise HubRefusal(403, message, "GatedRepo")


def check_can_contribute(account: Account | None) -> Account:
    """Let somebody propose changes: pull requests, comments.

    Raises:
        HubRefusal: 401 for strangers, 403 for tokens that may only read.
    """
    if account is None:
        raise no_repository(anonymous=True)
    if account.role != "write":
        raise HubRefusal(403, "Forbidden: this needs a token with the role write.")
    return account


def check_can_write(account: Account | None, namespace: str) -> Account:
    """Let somebody change repositories under a name.

    Raises:
        HubRefusal: 401 for strangers, 403 for tokens that may only read and for other people's repositories.
    """
    writer = check_can_contribute(account)
    if not writer.belongs_to(namespace):
        raise HubRefusal(403, f"You don't have the rights to write to the namespace {namespace}.")
    return writer


def _namespace(repository: Repository) -> str:
    return repository.id.partition("/")[0]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
