"""Files of one commit into the client's own cache, each compared with the hash that the Hub promised.

The client compares sizes only, and begins an interrupted file anew. Here a file in large file storage is written
beside its place in the cache, goes on where an earlier try stopped, and takes its place once its SHA-256 is right.
"""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import WeakFileLock, build_hf_headers, hf_raise_for_status, http_stream_backoff, httpx, tqdm

from guide_plugin.errors import HubError
from guide_plugin.hub.client import RemoteFile, RemoteModel, told
from guide_plugin.whole_files import CannotWrite, sha256

FULL_OR_PROTECTED = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM}

CHUNK = 1 << 20
TRIES, PAUSE = 5, 0.1
"""How often in a row a download is begun again without a byte arriving, and the first pause, doubled each time."""


def fetch(model: RemoteModel, names: Iterable[str]) -> Path:
    """Bring these files of the commit, one at least, into the cache; return the folder they lie in under their names.

    Raises:
        HubError: one cannot be had, or arrived twice with another content than the Hub promised.
    """
    for name in names:
        if name not in model.files:
            raise HubError(
                f"{name} of {model.repo} is not in the cache, and the Hub's client is offline."
                if model.cached
                else f"There is no {name} in {model.repo}.",
                "Unset HF_HUB_OFFLINE." if model.cached else "Check the name.",
            )
        folder = _fetch(model, name)
    return folder


def is_cached(model: RemoteModel, name: str) -> bool:
    """Say whether a file of the commit is in the client's cache."""
    return isinstance(try_to_load_from_cache(model.repo, name, revision=model.commit), str)


def _fetch(model: RemoteModel, name: str) -> Path:
    wanted = model.files[name]
    if model.cached:
        if not agrees(model.cached / name, wanted):
            raise HubError(
                f"{name} of {model.repo} is damaged in the cache.", "Unset HF_HUB_OFFLINE, so that it is fetched again."
            )
        return model.cached
    held = try_to_load_from_cache(model.repo, name, revision=model.commit)
    if isinstance(held, str):
        if agrees(Path(held), wanted):
            return _root(Path(held), name)
        _drop(Path(held))
    for _ in range(2):
        with told(model.repo):
            try:
                if wanted.sha256 and not _continue(model, name, wanted):
                    continue
                path = Path(hf_hub_download(model.repo, name, revision=model.commit))
            except OSError as error:
                if error.errno not in FULL_OR_PROTECTED:
                    raise
                raise CannotWrite(Path(constants.HF_HUB_CACHE), error) from error
        if wanted.sha256 or agrees(path, wanted):
            return _root(path, name)
        _drop(path)
    raise HubError(
        f"{name} of {model.repo} arrived twice with another content than the Hub promises.",
        "Try another network; if that does not help, tell the model's owner.",
    )


def _continue(model: RemoteModel, name: str, wanted: RemoteFile) -> bool:
    """Have a file in large file storage in the cache's place for it; False where what arrived hashes otherwise."""
    assert wanted.sha256
    cache = Path(constants.HF_HUB_CACHE)
    folder = repo_folder_name(repo_id=model.repo, repo_type="model")
    blob = cache / folder / "blobs" / wanted.sha256
    partial = blob.with_name(f"{blob.name}.unlearn.incomplete")
    lock = cache / ".locks" / folder / f"{wanted.sha256}.lock"
    for place in (blob, lock):
        place.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if blob.exists():
            if sha256(blob) == wanted.sha256:
                return True
            blob.unlink()
        with partial.open("a+b") as file, ThreadPoolExecutor(1) as hashing:
            digest = _stream(hf_hub_url(model.repo, name, revision=model.commit), file, wanted.size, name, hashing)
        if digest != wanted.sha256:
            partial.unlink()
            return False
        partial.replace(blob)
        return True


def _stream(url: str, file: BinaryIO, size: int, name: str, hashing: Executor) -> str:
    """Append to a file what it lacks to `size` bytes, and return its SHA-256, which is computed beside it."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    tries = 0
    with tqdm(desc=name[-40:], total=size, initial=file.tell(), unit="B", unit_scale=True, disable=None) as bar:
        while (have := file.tell()) < size:
            headers = {**build_hf_headers(), **({"Range": f"bytes={have}-"} if have else {})}
            try:
                with http_stream_backoff(
                    "GET",
                    url,
                    headers=headers,
                    timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
                    retry_on_exceptions=(),
                    retry_on_status_codes=(408, 429),
                ) as response:
                    hf_raise_for_status(response)
                    if have and response.status_code != 206:  # the whole file comes again
                        file.truncate(0)
                        digest = hashlib.sha256()
                    for chunk in response.iter_bytes(CHUNK):
                        file.write(chunk)
                        hashing.submit(digest.update, chunk)
                        bar.update(len(chunk))
            except httpx.TransportError:
                tries = tries + 1 if file.tell() == have else 0
                if tries == TRIES:
                    raise
                time.sleep(PAUSE * 2**tries)
    hashing.shutdown()
    return digest.hexdigest()


def agrees(path: Path, wanted: RemoteFile) -> bool:
    """Say whether a file holds what the Hub promised: by SHA-256, or as a git object by its SHA-1."""
    if not path.is_file():
        return False
    if wanted.sha256:
        return sha256(path) == wanted.sha256
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == wanted.blob_id


def _root(path: Path, name: str) -> Path:
    return path.parents[name.count("/")]


def _drop(path: Path) -> None:
    """Remove a damaged file from the cache, and the link to it."""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
