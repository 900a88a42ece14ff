"""`unlearn hub-sandbox`: a model Hub on this machine, to try a release pipeline out. All is imported inside."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from guide_plugin.errors import UsageError
from guide_plugin.options import FILE

USER = "sandbox"


@click.command("hub-sandbox")
@click.option("--folder", type=FILE, help="Where the repositories lie [a temporary folder].")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where to listen on 127.0.0.1 [any free port].")
@click.option("--add", "added", multiple=True, metavar="REPO=FOLDER", help="A model to begin with; may be repeated.")
def hub_sandbox(folder: Path | None, port: int, added: tuple[str, ...]) -> None:
    """Serve a model Hub on this machine until Ctrl-C, to try a pipeline without publishing anything.

    The usual client talks to it once the printed lines are set. The token may write under `sandbox/` and wherever a
    repository is already.
    """
    from guide_plugin.testing import LoopbackHub

    models = [_parsed(text) for text in added]
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(TemporaryDirectory(prefix="hub-sandbox-")))
        try:
            sandbox = LoopbackHub(place, port)
        except OSError as error:
            raise UsageError(f"{place} cannot be used: {error.strerror}.", "Choose another --folder.") from error
        hub = stack.enter_context(sandbox)
        for repo_id, files in models:
            if repo_id in hub.repositories:
                raise UsageError(f"{repo_id} is in {place} already.", "Leave its --add away.")
            hub.create_repo(repo_id, files)
        namespaces = sorted({repo_id.partition("/")[0] for repo_id in hub.repositories} - {USER})
        token = hub.token(USER, "write", namespaces)
        click.echo(f"Loopback Hub on {hub.url} with {', '.join(hub.repositories) or 'no model yet'}. Ctrl-C ends it.")
        click.echo(f"export HF_ENDPOINT={hub.url}\nexport HF_TOKEN={token}\nexport HF_HUB_DISABLE_XET=1")
        stop = threading.Event()
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, lambda number, frame: stop.set())
        stop.wait()
        click.echo("Stopped.", err=True)


def _parsed(text: str) -> tuple[str, Path]:
    repo_id, equals, name = text.partition("=")
    if not equals:
        raise UsageError(f"--add {text} names no folder.", "Write --add NAMESPACE/NAME=FOLDER.")
    if not Path(name).expanduser().is_dir():
        raise UsageError(f"There is no folder {name}.", "Check --add for a typing mistake.")
    return repo_id, Path(name).expanduser()
