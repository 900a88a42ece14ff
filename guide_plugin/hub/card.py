"""The model card of a release: the source's card, and a section that says what was done to the model."""

from __future__ import annotations

import yaml
from huggingface_hub import RepoCard
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from guide_plugin.errors import UsageError
from guide_plugin.hub.card_metadata import annotate
from guide_plugin.hub.card_words import section
from guide_plugin.hub.marked_section import with_section
from guide_plugin.hub.provenance_record import Provenance
from guide_plugin.report.schema import Report


def model_card(upstream: str | None, provenance: Provenance, report: Report, repo: str) -> str:
    """Return the `README.md` of a release.

    The source's text and metadata stay; of an earlier release, the section is replaced.

    Args:
        upstream: the source's `README.md`, decoded with its line endings as they are; None where it has none.
        provenance: of the release. It need not list `README.md` yet: only weight files are quoted from it.
        repo: "ORG/NAME" that the release goes to.

    Raises:
        UsageError: the metadata at the top of the source's card are broken.
    """
    text = f"# {repo.rpartition('/')[2]}\n" if upstream is None else upstream.removeprefix("\ufeff")
    newline = "\r\n" if 2 * text.count("\r\n") > text.count("\n") else "\n"
    if not REGEX_YAML_BLOCK.search(text):
        text = f"---{newline}{newline}---{newline}{text}"
    try:
        # The general class keeps every key as it is; ModelCard would drop from `model-index` what it does not know.
        card = RepoCard(text)
        annotate(card.data, provenance.source, report.findings, repo)
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(
            f"The metadata at the top of the source's README.md cannot be used: {_why(error)}.",
            "Correct them there, or start from a local copy of the model with a corrected README.md.",
        ) from None
    card.text = with_section(card.text, section(provenance, report, repo), newline)
    return str(card)


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"not valid YAML in line {error.problem_mark.line + 2}"
    return str(error) if isinstance(error, ValueError) else "not valid YAML"
