"""Model cards: what the loopback hub, like the Hub, refuses, remarks on and takes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from huggingface_hub import HfApi, ModelCard

from guide_plugin.testing import LoopbackHub
from tests.hub_models import contents, member, send

INDEX = "model-index:\n- name: m\n  results:\n  - task: {type: t}\n    dataset: {type: d, name: d}\n    metrics:\n"


@pytest.mark.parametrize(
    ("card", "complaint"),
    [
        ("license: [", "Invalid YAML"),
        ("- a\n- b", "must be a mapping"),
        ("license: my-own", '"license" must be one of'),
        ("base_model: {a: b}", '"base_model" must be'),
        ("base_model: [org/good, a/b/c]", '"base_model" must be'),
        ("base_model: ../x", '"base_model" must be'),
        ("base_model_relation: cousin", '"base_model_relation" must be one of adapter, merge, quantized, finetune'),
        ("tags: [{a: b}]", '"tags" must be'),
        ("library_name: [a]", '"library_name" must be'),
        ("model-index: {name: m}", '"model-index" must be a list'),
        ("model-index:\n- results: []", 'name" is required'),
        ("model-index:\n- name: m", 'results" must be a list'),
        (f"{INDEX}    - type: x", "must have type and value"),
        (f"{INDEX}    - type: x\n      value: 1", None),
        ("license: other\nlicense_name: mine\nlicense_link: LICENSE", None),
        ("license: [mit, apache-2.0]\nbase_model: [org/a, gpt2]\nbase_model_relation: merge\nunknown: {a: 1}", None),
    ],
)
def test_cards(card: str, complaint: str | None, site: tuple[LoopbackHub, HfApi]) -> None:
    hub, api = site
    readme = f"---\n{card}\n---\n# Model\n".encode()
    before = len(hub.commits("org/model"))
    if complaint is None:
        api.upload_file(path_or_fileobj=readme, path_in_repo="README.md", repo_id="org/model")
        assert contents(hub)["README.md"] == readme
        return
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md") as caught:
        api.upload_file(path_or_fileobj=readme, path_in_repo="README.md", repo_id="org/model")
    assert complaint in str(caught.value)
    line = {"key": "file", "value": {"path": "README.md", "content": readme.decode()}}
    body = json.dumps({"key": "header", "value": {"summary": "Raw"}}) + "\n" + json.dumps(line)
    assert send(hub, api, "POST", "/api/models/org/model/commit/main", body.encode()) == 400
    assert len(hub.commits("org/model")) == before


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LoopbackHub, HfApi]]:
    with LoopbackHub(tmp_path_factory.mktemp("hub")) as hub:
        hub.create_repo("org/model")
        yield hub, member(hub)


def test_a_card_without_metadata_is_remarked_on(site: tuple[LoopbackHub, HfApi]) -> None:
    hub, api = site
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        api.upload_file(path_or_fileobj=b"# Model", path_in_repo="README.md", repo_id="org/model")
    assert contents(hub)["README.md"] == b"# Model"
    assert ModelCard(contents(hub)["README.md"].decode()).data.to_dict() == {}
