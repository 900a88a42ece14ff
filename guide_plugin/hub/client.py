"""Questions to the Hub through its own client, with answers or one clear sentence.

The client's conventions hold: `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_OFFLINE`, `HF_TOKEN` and the token of `hf auth login`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from huggingface_hub import HfApi, constants, scan_cache_dir
from huggingface_hub.errors import (
    CacheNotFound,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import httpx

from guide_plugin.errors import HubError, UsageError
from guide_plugin.whole_files import write_whole

COMMIT = re.compile(r"[0-9a-f]{40}")
AGAIN = "Run the same command again; what is done is found and not done twice."


@dataclass(frozen=True)
class Address:
    """A model on the Hub: "ORG/NAME", with "@REVISION" for a branch, a tag, a commit or refs/pr/N."""

    repo: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take "ORG/NAME" or "ORG/NAME@REVISION" apart; `UsageError` where it is neither."""
        repo, _, revision = text.partition("@")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or (("@" in text) and not re.fullmatch(r"[\w./-]+", revision)):
            raise UsageError(f"{text} is not the name of a model on the Hub.", "Write ORG/NAME or ORG/NAME@REVISION.")
        return cls(repo, revision or "main")

    def __str__(self) -> str:
        return self.repo if self.revision == "main" else f"{self.repo}@{self.revision}"


@dataclass(frozen=True)
class RemoteFile:
    """One file of a commit: its size in bytes, and what it must hash to.

    Attributes:
        sha256: of its content, for a file in large file storage; None for one in git.
        blob_id: the git object's SHA-1: of the content for a file in git.
    """

    size: int
    sha256: str | None
    blob_id: str | None


@dataclass(frozen=True)
class RemoteModel:
    """One commit of a model on the Hub.

    Attributes:
        repo, commit: where; the commit has 40 hexadecimal digits and never changes.
        files: by their POSIX paths.
        cached: its folder in the client's cache where nobody was asked, because the client is offline; else None.
        license: as its card says.
        private: whether only its owner sees it; None where nobody was asked.
    """

    repo: str
    commit: str
    files: Mapping[str, RemoteFile]
    cached: Path | None = None
    license: str | None = None
    private: bool | None = None


def remember(address: Address, commit: str) -> None:
    """Write down in the client's cache which commit a branch or tag is, so that its name is known offline too."""
    if not COMMIT.fullmatch(address.revision):
        folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=address.repo, repo_type="model")
        reference = folder / "refs" / address.revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        write_whole(reference, commit.encode())


def offline() -> bool:
    """Say whether the client may not ask anybody (`HF_HUB_OFFLINE`)."""
    return bool(constants.HF_HUB_OFFLINE)


def resolve(address: Address) -> RemoteModel:
    """Look the revision up once and for all: from here on only its commit counts.

    Raises:
        HubError: there is no such model or revision, it may not be seen, or nobody answers.
    """
    if offline():
        return _cached(address)
    with told(address):
        return _ask(address)


def resolve_if_any(address: Address) -> RemoteModel | None:
    """Do as `resolve`; return None where there is no such model, or none that may be seen."""
    with told(address):
        try:
            return _ask(address)
        except GatedRepoError:
            raise
        except RepositoryNotFoundError:
            return None


def _ask(address: Address) -> RemoteModel:
    info = HfApi().model_info(address.repo, revision=address.revision, files_metadata=True)
    if not info.sha or not COMMIT.fullmatch(info.sha):
        raise HubError(f"The Hub does not say which commit {address} is.", AGAIN)
    files = {
        sibling.rfilename: RemoteFile(sibling.size or 0, sibling.lfs.sha256 if sibling.lfs else None, sibling.blob_id)
        for sibling in info.siblings or []
    }
    leaving = [name for name in files if name.startswith("/") or ".." in name.split("/") or "\\" in name]
    if leaving:
        raise HubError(f"{address} lists a file that would lie outside of its folder.", "Do not use this model.")
    card: Any = info.card_data
    return RemoteModel(address.repo, info.sha, files, None, card.get("license") if card else None, info.private)


def _cached(address: Address) -> RemoteModel:
    """Return what the client's cache holds of a revision; a blob's name there is what the Hub said it hashes to."""
    try:
        known = scan_cache_dir(constants.HF_HUB_CACHE).repos
        repos = [repo for repo in known if (repo.repo_type, repo.repo_id) == ("model", address.repo)]
    except CacheNotFound:
        repos = []
    for revision in (revision for repo in repos for revision in repo.revisions):
        if address.revision == revision.commit_hash or address.revision in revision.refs:
            files = {
                file.file_path.relative_to(revision.snapshot_path).as_posix(): RemoteFile(
                    file.size_on_disk,
                    file.blob_path.name if len(file.blob_path.name) == 64 else None,
                    file.blob_path.name,
                )
                for file in revision.files
            }
            return RemoteModel(address.repo, revision.commit_hash, files, revision.snapshot_path)
    raise HubError(
        f"The Hub's client is offline, and {address} is not in its cache.", "Unset HF_HUB_OFFLINE, or give a folder."
    )


@contextmanager
def told(address: Address | str) -> Iterator[None]:
    """Turn what the client raises into a `HubError`: one sentence on what is wrong with `address`, one remedy."""
    try:
        yield
    except GatedRepoError:
        raise HubError(
            f"{address} is gated: its owner lets in only who accepted the terms.",
            "Accept them on the model's page, then log in with `hf auth login` or set HF_TOKEN.",
        ) from None
    except RepositoryNotFoundError:
        raise HubError(
            f"There is no model {address} on the Hub, or it is private.",
            "Check the name; for a private model log in with `hf auth login` or set HF_TOKEN.",
        ) from None
    except RevisionNotFoundError:
        raise HubError(
            f"There is no revision {address}.", "Give a branch, a tag, a whole commit or refs/pr/N after the @."
        ) from None
    except EntryNotFoundError:
        raise HubError(f"A file of {address} is gone from the Hub.", AGAIN) from None
    except OfflineModeIsEnabled:
        raise HubError("The Hub's client is offline.", "Unset HF_HUB_OFFLINE.") from None
    except LocalTokenNotFoundError:
        raise HubError("You are not logged in to the Hub.", "Log in with `hf auth login` or set HF_TOKEN.") from None
    except HFValidationError:
        raise UsageError(f"{address} is not a name that the Hub allows.", "Write ORG/NAME.") from None
    except HfHubHTTPError as error:
        raise _by_status(address, error) from None
    except (httpx.HTTPError, ConnectionError, TimeoutError) as error:
        raise HubError(
            f"The connection to the Hub broke ({type(error).__name__}).",
            f"{AGAIN} HF_HUB_OFFLINE=1 uses what is in the cache.",
        ) from None


def _by_status(address: Address | str, error: HfHubHTTPError) -> HubError:
    status = error.response.status_code
    if status == 401:
        return HubError("The Hub does not accept your token.", "Log in again with `hf auth login`, or set HF_TOKEN.")
    if status == 403:
        return HubError(f"Your token may not write to {address}.", f"Use a token of somebody who may. {AGAIN}")
    if status in {409, 412}:
        return HubError(f"Somebody else committed to {address} in between; nothing was changed.", AGAIN)
    if status == 413:
        return HubError(f"{address} is too large for the Hub.", "Ask the Hub for more space.")
    if status == 429:
        wait = error.response.headers.get("Retry-After")
        return HubError(
            "The Hub asks for fewer requests.", f"Wait {wait} seconds. {AGAIN}" if wait else f"Wait a while. {AGAIN}"
        )
    if status >= 500:
        return HubError(f"The Hub failed ({status}).", AGAIN)
    return HubError(f"The Hub refused what concerns {address} ({status}).", "Check the name and your rights.")
