"""Where a model comes from on the local disk: what is listed, chosen and suggested."""

from __future__ import annotations

from pathlib import Path

import pytest

from guide_plugin import PluginHost, Recipe, UsageError
from guide_plugin.hub.source import find, pull
from guide_plugin.plan import Silent, prepare
from tests.checkpoint_files import write_official
from tests.conftest import SUGGESTION
