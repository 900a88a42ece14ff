"""The frozen networks: real architectures on weights of the same shape, since the real files cannot be had here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from guide_plugin.errors import HubError, UncheckedWeights, UsageError
from guide_plugin.vision import facenet
from guide_plugin.vision.perceptual import LpipsVgg, feature_distance, load_perceptual
from guide_plugin.vision.recognition import FaceNetwork, load_small
from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable, nms
from guide_plugin.whole_files import sha256

CPU = torch.device("cpu")


def test_torchvision_and_what_stands_on_it_import() -> None:
    """In a fresh interpreter, beside whatever torch is installed: detection, LPIPS and diffusers all import."""
    script = """
from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable
needed = make_torchvision_importable()
assert not make_torchvision_importable(), "a second call must change nothing"
import torch, torchvision, lpips
from diffusers import DDPMPipeline
from facenet_pytorch import MTCNN
from PIL import Image
boxes, _ = MTCNN(keep_all=True).detect(Image.effect_noise((192, 192), 80).convert("RGB"))
if needed:
    assert torch.version.cuda is None
kept = torchvision.ops.nms(torch.tensor([[0., 0, 2, 2], [0, 0, 2, 2.1]]), torch.tensor([0.5, 0.9]), 0.5)
assert kept.tolist() == [1], kept
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nms_keeps_the_best_of_what_overlaps() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 10, 9]])
    scores = torch.tensor([0.6, 0.9, 0.5, 0.8])
    # Overlap of box 1 with 0: 81 / 119 = 0.68, with 3: 72 / 118 = 0.61; box 3 with 0: 0.9.
    assert nms(boxes, scores, 0.5).tolist() == [1, 2]
    assert nms(boxes, scores, 0.65).tolist() == [1, 3, 2]
    assert nms(boxes, scores, 0.95).tolist() == [1, 3, 0, 2]
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []


def test_our_lpips_equals_the_package() -> None:
    network = LpipsVgg(random=True).eval()
    a, b = torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        ours = feature_distance(network.features(a), network.features(b))
        theirs = network.lpips(a, b).flatten()
    assert torch.allclose(ours, theirs, rtol=1e-4)
    assert ours.min() > 0


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let every download fail, and start from an empty cache."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.mark.usefixtures("offline")
def test_networks_that_cannot_be_fetched_say_so() -> None:
    with pytest.raises(HubError, match="facenet cannot be fetched"):
        facenet.load_facenet(facenet.VGGFACE2, None, CPU)
    with pytest.raises(HubError, match="VGG16 weights"):
        load_perceptual("lpips-vgg", CPU)


def cached(published: facenet.Published, content: object) -> Path:
    """Put a file where a published one is fetched to."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / published.file
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def facenet_state() -> dict[str, torch.Tensor]:
    make_torchvision_importable()
    from facenet_pytorch import InceptionResnetV1

    torch.manual_seed(0)
    return {**InceptionResnetV1(pretrained=None, classify=False).state_dict(), "logits.bias": torch.zeros(8631)}


@pytest.mark.usefixtures("offline")
def test_a_cached_facenet_that_is_not_the_published_one_is_refused_unread() -> None:
    path = cached(facenet.VGGFACE2, facenet_state())
    with pytest.raises(HubError, match=r"begins .*, not 281cebca8662") as told:
        facenet.load_facenet(facenet.VGGFACE2, None, CPU)
    assert f"Remove {path}" in told.value.remedy
    assert facenet.load_facenet(facenet.VGGFACE2, path, CPU).weights_file == path  # whoever names a file knows why
    path.write_bytes(b"nothing that could be parsed")
    with pytest.raises(HubError, match="another file than expected"):
        facenet.load_facenet(facenet.VGGFACE2, None, CPU)


def test_what_is_fetched_without_a_published_hash_says_which_to_pin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    asked: list[object] = []

    def fetch(url: str, target: str, hash_prefix: str | None, progress: bool) -> None:
        asked.extend([url, hash_prefix])
        torch.save(facenet_state(), target)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    with pytest.warns(UncheckedWeights) as warned:
        network = facenet.load_facenet(facenet.CASIA, None, CPU)
    assert network.weights_file is not None
    assert f"facenet-casia:{network.weights_file}#sha256={sha256(network.weights_file)}" in str(warned[0].message)
    assert asked == [facenet.CASIA.url, None]
    with pytest.raises(HubError, match="another file"):  # the one that is checked is checked when it comes, too
        facenet.load_facenet(facenet.VGGFACE2, None, CPU)
    assert asked[2:] == [facenet.VGGFACE2.url, facenet.VGGFACE2.sha256]


def test_facenet_reads_a_file_with_its_classifier_left_out(tmp_path: Path) -> None:
    make_torchvision_importable()
    from facenet_pytorch import InceptionResnetV1

    torch.manual_seed(0)
    original = InceptionResnetV1(pretrained=None, classify=False).eval()
    torch.save({**original.state_dict(), "logits.weight": torch.zeros(8631, 512)}, tmp_path / "weights.pt")
    network = facenet.load_facenet(facenet.VGGFACE2, tmp_path / "weights.pt", CPU)
    images = torch.rand(2, 3, 256, 256) * 2 - 1
    embeddings = network(images)
    assert embeddings.shape == (2, 512)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2), atol=1e-5)
    face = torch.nn.functional.interpolate(images[:, :, 35:223, 32:220], (160, 160), mode="bilinear", antialias=True)
    assert torch.allclose(embeddings, original(face * 127.5 / 128), atol=1e-5)


def test_files_with_another_network_are_told(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(HubError, match=r"other\.safetensors does not hold"):
        load_small(tmp_path / "other.safetensors", CPU)
    with pytest.raises(HubError, match=r"other\.safetensors does not hold"):
        load_perceptual(f"conv:{tmp_path / 'other.safetensors'}", CPU)
    with pytest.raises(HubError, match=r"other\.pt does not hold"):
        facenet.load_facenet(facenet.VGGFACE2, tmp_path / "other.pt", CPU)
    with pytest.raises(UsageError, match="needs the file"):
        load_small(None, CPU)
    with pytest.raises(UsageError, match="no perceptual network"):
        load_perceptual("vgg", CPU)


def test_small_recogniser_is_rebuilt_from_its_weights(tmp_path: Path) -> None:
    network = FaceNetwork([4, 6, 8], 16).eval()
    save_file(network.state_dict(), tmp_path / "small.safetensors")
    again = load_small(tmp_path / "small.safetensors", CPU)
    images = torch.rand(2, 3, 96, 96)
    assert torch.equal(again(images), network(images))
    assert torch.allclose(again(images).norm(dim=1), torch.ones(2), atol=1e-5)
