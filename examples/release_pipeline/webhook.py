"""Answer every new revision of one model on the Hub with a pull request that takes the person out of it.

What is redacted and where it goes is said in a recipe, never in an event: an event only says that main has moved. The
Hub's own `WebhooksServer` needs gradio; this needs the payload's model, starlette and a thread.
"""

from __future__ import annotations

import hmac
import os
import re
import traceback
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from huggingface_hub import HfApi, WebhookPayload
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from guide_plugin import Recipe, UnlearnError, UsageError, read_recipe, unlearn, verify

COMMIT = re.compile(r"[0-9a-f]{40}")
RUNS, PROVENANCE = Path("runs"), "provenance.json"


def from_environment() -> Starlette:
    """Return the webhook of the recipe in `RECIPE`, for events that carry the secret in `WEBHOOK_SECRET`."""
    return application(read_recipe(os.environ.get("RECIPE", "recipe.toml")), os.environ.get("WEBHOOK_SECRET", ""))


def application(recipe: Recipe, secret: str) -> Starlette:
    """Return the webhook as an application with one address, `/`.

    Args:
        recipe: its model is the one that is watched.
        secret: what the Hub was told to send along.
    """
    if not secret:
        raise UsageError("The webhook has no secret.", "Set WEBHOOK_SECRET, and the same in the Hub's settings.")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", recipe.hub):
        raise UsageError("The recipe's model is not one on the Hub.", 'Write hub = "ORG/NAME", without a revision.')
    if not (recipe.release.create_pr or recipe.release.in_place):
        raise UsageError("The recipe would commit unasked.", "Set create_pr or in_place in its table [release].")
    commits: SimpleQueue[str] = SimpleQueue()
    Thread(target=_answer, args=(recipe, commits), name="redactions", daemon=True).start()

    async def receive(request: Request) -> PlainTextResponse:
        given = request.headers.get("X-Webhook-Secret", "")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            return PlainTextResponse("The secret is wrong.", 403 if given else 401)
        try:
            payload = WebhookPayload.model_validate_json(await request.body())
        except ValidationError:
            return PlainTextResponse("This is no event of the Hub.", 400)
        commit = new_commit(payload, recipe.hub)
        if commit is None:
            return PlainTextResponse("Ignored.")
        commits.put(commit)
        return PlainTextResponse("A redaction was queued.", 202)

    return Starlette(routes=[Route("/", receive, methods=["POST"])])


def new_commit(payload: WebhookPayload, repo: str) -> str | None:
    """Return where main of the model `repo` has moved to; None where the event is about anything else."""
    if (payload.repo.type, payload.repo.name) != ("model", repo):
        return None
    moved = [updated.newSha or "" for updated in payload.updatedRefs or [] if updated.ref == "refs/heads/main"]
    return moved[0] if moved and COMMIT.fullmatch(moved[0]) else None


def redacted(recipe: Recipe, commit: str) -> str:
    """Redact a commit of the recipe's model, and say what came of it."""
    if HfApi().model_info(recipe.hub).sha != commit:
        return "main has moved on"
    if made_here(recipe.hub, commit):
        return "a pull request of ours was merged"
    outcome = unlearn(recipe.model_copy(update={"hub": f"{recipe.hub}@{commit}"}))
    if outcome.published is None:
        return f"refused: {'; '.join(outcome.refusals)}"
    return f"{outcome.verdict}: {outcome.published.url}"


def made_here(repo: str, commit: str) -> bool:
    """Say whether a commit holds exactly the weights that one of our own runs published."""
    api = HfApi()
    if not api.file_exists(repo, PROVENANCE, revision=commit):
        return False
    there = Path(api.hf_hub_download(repo, PROVENANCE, revision=commit)).read_bytes()
    ours = (file.read_bytes() for file in RUNS.glob(f"*/release/{PROVENANCE}"))
    return there in ours and not verify(f"{repo}@{commit}").wrong


def _answer(recipe: Recipe, commits: SimpleQueue[str]) -> None:
    """Redact one commit after the other: one takes longer than the Hub waits for an answer."""
    while True:
        commit = commits.get()
        try:
            told = redacted(recipe, commit)
        except UnlearnError as error:
            told = str(error)
        except Exception:  # the next commit has to be answered all the same
            told = traceback.format_exc()
        print(f"{recipe.hub}@{commit}: {told}", flush=True)
