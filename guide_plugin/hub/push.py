"""A staged release onto the Hub: one commit or one pull request, whole or not at all.

Everything goes in one commit that is pinned to the commit it was planned on, so that whoever commits in between is
noticed. Nothing is taken on trust from an earlier try: what is on the Hub already is found by its hashes, so the same
push can be repeated after any failure and is done once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from guide_plugin.errors import HubError, UsageError
from guide_plugin.hub.client import AGAIN, Address, RemoteModel, offline, resolve, resolve_if_any, told
from guide_plugin.hub.download import agrees, fetch
from guide_plugin.hub.provenance import read_provenance, release_id
from guide_plugin.hub.release import PROVENANCE
from guide_plugin.hub.weight_files import holds_weights
from guide_plugin.recipe import Release

TITLE = "Remove one identity"
MOVED = "Run the same command again, to take the person out of what is there now."


@dataclass(frozen=True)
class Published:
    """Where a release is.

    Attributes:
        url: of the repository, or of the pull request.
        revision: the commit, or "refs/pr/N".
        found: whether an earlier try had published it already.
    """

    repo: str
    url: str
    revision: str
    found: bool


def check_target(release: Release, source: RemoteModel | None, line: Collection[str]) -> None:
    """Find out before hours of training what would stand against publishing after them; nothing is written.

    Args:
        line: the ids of the releases that the source stands on, itself included.

    Raises:
        UsageError: the source repository is the target and nobody said that this is meant.
        HubError: nobody is logged in, the token may not write there, or the target holds another model.
    """
    assert release.push
    target = Address.parse(release.push)
    if offline():
        raise HubError("The Hub's client is offline and cannot publish.", "Unset HF_HUB_OFFLINE, or leave --push away.")
    if source and source.repo == target.repo and not release.in_place:
        raise UsageError(
            f"{target.repo} is the model that the person is taken out of.",
            "Name another repository, or add --in-place to open a pull request on it.",
        )
    if release.in_place and not (source and source.repo == target.repo):
        raise UsageError(
            "--in-place is for publishing onto the model's own repository.", "Leave it away, or name that repository."
        )
    with told(target):
        account = HfApi().whoami()
    role = account.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise HubError("Your token can only read.", "Make one that may write, and log in with it or set HF_TOKEN.")
    own = {account["name"], *(organisation["name"] for organisation in account.get("orgs", []))}
    if target.repo.partition("/")[0] not in own and not (release.create_pr or release.in_place):
        raise HubError(
            f"You may not write to {target.repo}: it is neither yours nor an organisation's that you belong to.",
            f"Push to {account['name']}/…, or open a pull request with --create-pr.",
        )
    _may_take(release, resolve_if_any(target), line)


def push(folder: Path, release: Release, source: RemoteModel | None, text: str) -> Published:
    """Publish the release in `folder`, or find that it is published.

    Args:
        source: the model that it was made from, where that is on the Hub.
        text: what commit and pull request say.

    Raises:
        HubError: nothing was published; says why, and whether the same command may simply be run again.
    """
    assert release.push
    target, api = Address.parse(release.push), HfApi()
    in_place = source is not None and source.repo == target.repo
    by_request = release.create_pr or in_place
    made = read_provenance(folder / PROVENANCE)
    identity = release_id(made)
    there = resolve_if_any(target)
    _may_take(release, there, {identity, *map(release_id, made.history)})
    if in_place and source and there and there.commit != source.commit:
        raise HubError(f"{target.repo} has moved on since it was pulled; nothing was proposed.", MOVED)
    if there is None:
        with told(target):
            api.create_repo(target.repo, private=not release.public, exist_ok=True)
        there = resolve(target)
    if by_request:
        for number in _requests(target, identity):
            revision = f"refs/pr/{number}"
            if not _missing(folder, resolve(Address(target.repo, revision))):
                return Published(target.repo, _request_url(target, number), revision, True)
    if not by_request and not _missing(folder, there):
        return Published(target.repo, f"{api.endpoint}/{target.repo}", there.commit, True)
    title, operations = f"{TITLE} ({identity})", list(_operations(folder, there))
    with told(target):
        try:
            info = api.create_commit(
                target.repo,
                operations,
                commit_message=title,
                commit_description=text,
                parent_commit=there.commit,
                create_pr=by_request,
            )
        except ValueError as error:  # the client's word for a card that the Hub's endpoint refuses
            why = " ".join(str(error).split())
            raise HubError(f"The Hub does not accept the model card: {why}", "Correct the source's card.") from None
        except RuntimeError as error:  # the client's word for a large file that did not get through
            why = type(error.__cause__ or error).__name__  # its text holds a signed address
            raise HubError(f"Sending to {target.repo} failed ({why}).", AGAIN) from None
    revision = info.pr_revision or info.oid
    published = resolve(Address(target.repo, revision))
    if not all(_arrived(operation, published) for operation in operations):
        raise HubError(f"{target.repo} does not hold what was sent to it.", f"Look at {revision} there. {AGAIN}")
    if by_request:
        assert info.pr_num is not None
        return Published(target.repo, _request_url(target, info.pr_num), revision, False)
    return Published(target.repo, f"{api.endpoint}/{target.repo}", published.commit, False)


def _may_take(release: Release, there: RemoteModel | None, line: Collection[str]) -> None:
    """Refuse to commit over a model that this one does not stand on; a pull request asks its owner instead."""
    if there is None or release.create_pr or release.in_place:
        return
    if PROVENANCE in there.files:
        held = read_provenance(fetch(there, [PROVENANCE]) / PROVENANCE)
        if release_id(held) not in line:
            raise HubError(
                f"{there.repo} holds a model without somebody whom this one would bring back.",
                f"Start from it (--hub {there.repo}), choose another repository, or add --create-pr.",
            )
    elif any(holds_weights(name) for name in there.files):
        raise HubError(
            f"{there.repo} holds a model that this tool did not make.",
            "Choose another repository, or add --create-pr to ask its owner.",
        )


def _operations(folder: Path, there: RemoteModel) -> Iterator[CommitOperationAdd | CommitOperationDelete]:
    """Yield what turns the target into the release: all its files, and away with weights that are none of them."""
    names = list(_names(folder))
    for name in names:
        if name not in there.files or not agrees(folder / name, there.files[name]):
            yield CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(folder / name))
    for name in there.files:
        if holds_weights(name) and name not in names:
            yield CommitOperationDelete(path_in_repo=name)


def _arrived(operation: CommitOperationAdd | CommitOperationDelete, there: RemoteModel) -> bool:
    """Say whether a commit holds what was sent, by the hash that the client took of it while sending."""
    found = there.files.get(operation.path_in_repo)
    if isinstance(operation, CommitOperationDelete):
        return found is None
    if found is None:
        return False
    if found.sha256:
        return found.sha256 == operation.upload_info.sha256.hex()
    return agrees(Path(str(operation.path_or_fileobj)), found)


def _missing(folder: Path, there: RemoteModel) -> bool:
    """Say whether anything is left to do to turn a commit into the release."""
    return next(_operations(folder, there), None) is not None


def _names(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _requests(target: Address, identity: str) -> list[int]:
    """Return the numbers of open pull requests that carry this release's identity in their title."""
    with told(target):
        found = HfApi().get_repo_discussions(target.repo, discussion_type="pull_request", discussion_status="open")
        return [request.num for request in found if f"({identity})" in request.title]


def _request_url(target: Address, number: int) -> str:
    return f"{HfApi().endpoint}/{target.repo}/discussions/{number}"
