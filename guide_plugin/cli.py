"""The command line: parses, hands over, renders. Everything slow is imported inside the commands."""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guide_plugin.audit_command import audit
from guide_plugin.check_command import check
from guide_plugin.compare_command import compare
from guide_plugin.errors import PluginWarning, Refused, UncheckedWeights, UnlearnError, UnsafeCheckpoint, UsageError
from guide_plugin.evaluation_command import evaluate
from guide_plugin.init_command import init
from guide_plugin.new_plugin_command import new_plugin
from guide_plugin.options import (
    AUDIT,
    FILE,
    MODEL,
    NETWORKS,
    PLUGINS,
    RELEASE,
    SUBJECT,
    plugin_host,
    recipe_from,
    supervision_from,
    with_options,
)
from guide_plugin.release_commands import push, verify
from guide_plugin.sandbox_command import hub_sandbox
from guide_plugin.supervision import STRICT, flag

if TYPE_CHECKING:
    from guide_plugin.pipeline import Outcome

EPILOG = "Exit codes: 0 done, 2 wrong input, 3 refused, 4 checkpoint and adapter disagree, 130 stopped."


@click.group(invoke_without_command=True, epilog=EPILOG, context_settings={"max_content_width": 100})
@with_options(MODEL, SUBJECT)
@click.option("--config", type=FILE, metavar="FILE", help="A recipe (TOML); options beside it have the last word.")
@click.option("--output", type=FILE, help="The run folder to make [runs/MODEL-DATE-TIME].")
@click.option("--dry-run", is_flag=True, help="Check everything, say what would be done, write nothing.")
@click.option("--operator", help="The unlearning method [fold]; guide is the paper's.")
@click.option("--steps", type=click.IntRange(min=1), help="Training steps [the model owner's suggestion, or 1000].")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Learning rate [suggestion, or 1e-4].")
@click.option("--global-weight", type=click.FloatRange(min=0), help="How much keeping everybody else counts [1].")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other setting of the method.")
@click.option("--stop-below", type=float, help="Stop early once the subject's similarity is lower than this.")
@click.option("--training-seed", type=click.IntRange(min=0), help="Where the random draws of the training start [0].")
@with_options(NETWORKS)
@click.option("--audit", type=click.Choice(["quick", "full", "off"]), help="How much is measured [quick].")
@with_options(AUDIT, RELEASE)
@click.option("--device", type=click.Choice(["auto", "cuda", "mps", "cpu"]), help="Where to compute [auto].")
@click.option("--precision", type=click.Choice(["float32", "bf16"]), help="How to compute [float32].")
@click.option("--checkpoint-every", type=click.IntRange(min=1), metavar="STEPS", help="How often to save [100].")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@with_options(PLUGINS)
@click.version_option(package_name="guide-plugin")
@click.pass_context
def command(context: click.Context, **options: Any) -> None:
    """Take a person out of a face generator, and measure whether it worked."""
    context.obj = supervision_from(options)
    if context.invoked_subcommand is None:
        if not options["hub"] and not options["config"]:
            raise UsageError("No model is named.", "Give --hub ORG/NAME or --hub FOLDER, or see `unlearn --help`.")
        _unlearn(options)


def _unlearn(options: dict[str, Any]) -> None:
    from guide_plugin.dry_run import dry_run
    from guide_plugin.pipeline import unlearn
    from guide_plugin.progress import Lines

    with Lines() as display:
        host = plugin_host()
        recipe = recipe_from(options, host)
        if not recipe.subject.named:
            display.note("No subject is named: this is a rehearsal on a random person of the generator.")
        if options["dry_run"]:
            plan = dry_run(recipe, host, display, options["output"])
        else:
            outcome = unlearn(recipe, options["output"], host, display)
    if options["dry_run"]:
        _print_plan(plan, options["as_json"])
    else:
        print_outcome(outcome, options["as_json"])


@command.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def resume(run: Path, as_json: bool) -> None:
    """Go on with the interrupted run in the folder RUN."""
    from guide_plugin.pipeline import resume
    from guide_plugin.progress import Lines

    with Lines() as display:
        outcome = resume(run, plugin_host(), display)
    print_outcome(outcome, as_json)


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def inspect(path: Path, as_json: bool) -> None:
    """Say what the weight files at PATH are, without loading or running anything in them."""
    from dataclasses import asdict

    from guide_plugin.report.text import inspection_lines
    from guide_plugin.standard_output import kept_for_the_result

    if not path.exists():
        raise UsageError(f"There is no {path}.", "Check it for a typing mistake.")
    host = plugin_host()
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    with kept_for_the_result():
        found = {str(file): inspection for file in files for inspection in host.inspect(file)}
    if not found:
        raise UsageError(f"{path} is no weight file that is known here, and holds none.")
    if as_json:
        click.echo(json.dumps({file: asdict(inspection) for file, inspection in found.items()}, indent=2))
    else:
        click.echo("\n\n".join(inspection_lines(file, inspection) for file, inspection in found.items()))
    if any(inspection.forbidden for inspection in found.values()):
        sys.exit(UnsafeCheckpoint.exit_code)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def plugins(as_json: bool) -> None:
    """List the installed plugins, the broken ones with the reason."""
    from dataclasses import asdict

    found = plugin_host().plugins
    if as_json:
        click.echo(json.dumps([asdict(plugin) for plugin in found], indent=2))
        return
    for plugin in found:
        state = f"broken: {plugin.broken}" if plugin.broken else ", ".join(plugin.hooks)
        if plugin.left_out:
            state = "not loaded: other plugins were named"
        click.echo(f"{plugin.name:<17} {plugin.distribution} {plugin.version:<8} {state}")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def adapters(as_json: bool) -> None:
    """List the generator families that can be loaded."""
    found = [
        {
            "name": name,
            "summary": (adapter.__doc__ or "").strip().split("\n")[0],
            "experimental": adapter.experimental,
        }
        for name, adapter in sorted(plugin_host().adapters.items())
    ]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for adapter in found:
        click.echo(f"{adapter['name']:<17} {adapter['summary']}{' (experimental)' if adapter['experimental'] else ''}")


command.add_command(audit)
command.add_command(check)
command.add_command(compare)
command.add_command(evaluate)
command.add_command(init)
command.add_command(new_plugin)
command.add_command(push)
command.add_command(verify)
command.add_command(hub_sandbox)


def _print_plan(plan: dict[str, Any], as_json: bool) -> None:
    from guide_plugin.report.text import plan_lines

    click.echo(json.dumps(plan, indent=2) if as_json else plan_lines(plan))


def print_outcome(outcome: Outcome, as_json: bool) -> None:
    """Print the result, and exit as it asks."""
    from guide_plugin.report.text import outcome_lines

    if as_json:
        result = {
            "folder": str(outcome.folder),
            "model": str(outcome.model),
            "verdict": outcome.verdict,
            "refusals": outcome.refusals,
            "published": vars(outcome.published) if outcome.published else None,
            "report": outcome.report.model_dump(mode="json"),
        }
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo(outcome_lines(outcome.report, outcome.folder, outcome.model, outcome.published))
    if outcome.refusals:
        refused = Refused(list(outcome.refusals), f"The model is kept for inspection in {outcome.model}.")
        click.echo(f"Error: {refused}", err=True)
        sys.exit(refused.exit_code)


def main() -> None:
    """Run the command and turn errors into one sentence and an exit code."""
    warnings.simplefilter("ignore")
    for told in (PluginWarning, UncheckedWeights):
        warnings.simplefilter("always", told)
    warnings.showwarning = lambda message, *_: click.echo(f"Warning: {message}", err=True)
    try:
        command(standalone_mode=False)
    except UnlearnError as error:
        _fail(error, error.exit_code)
    except click.ClickException as error:
        if "--json" in sys.argv[1:]:
            result = {"error": error.format_message(), "remedy": "See `unlearn --help`.", "exit_code": error.exit_code}
            click.echo(json.dumps(result, indent=2))
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        sys.exit(130)


def _fail(error: UnlearnError, exit_code: int) -> None:
    if "--json" in sys.argv[1:]:
        click.echo(json.dumps({"error": error.problem, "remedy": error.remedy, "exit_code": exit_code}, indent=2))
    if error.__cause__ and ("--strict-plugins" in sys.argv[1:] or flag(STRICT)):
        traceback.print_exception(error.__cause__)
    click.echo(f"Error: {error}", err=True)
    sys.exit(exit_code)
