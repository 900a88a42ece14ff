"""The paper's recognisers on random weights of the published shape, against a forward pass written out here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from examples.synthetic_faces.renderer import render, sample
from guide_plugin import HubError, PluginHost, UsageError
from guide_plugin.plan import load_recogniser
from guide_plugin.vision.face_alignment import TEMPLATE, FaceAligner, similarity, warp
from guide_plugin.vision.iresnet import ARCFACE, CURRICULARFACE, Architecture, IResNet, fixed_crop, load_iresnet

CPU = torch.device("cpu")
UNITS = {"arcface": (3, 4, 14, 3), "curricularface": (3, 13, 30, 3)}


@pytest.fixture(scope="module", params=[ARCFACE, CURRICULARFACE], ids=lambda architecture: architecture.name)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Architecture, Path]:
    """Write a file of the published shape, with weights and statistics that are not those of a fresh network."""
    architecture: Architecture = request.param
    torch.manual_seed(0)
    state = IResNet(architecture).state_dict()
    for name, tensor in state.items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
            tensor.uniform_(0.5, 1.5)
    path = tmp_path_factory.mktemp("weights") / architecture.file
    torch.save(state, path)
    return architecture, path


def written_out(state: dict[str, Tensor], units: tuple[int, ...], x: Tensor) -> Tensor:
    """Compute the network from its tensors alone, as the papers describe it."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, state.get(f"{name}.weight"), state.get(f"{name}.bias"))

    x = norm(F.conv2d(x, state["input_layer.0.weight"], padding=1), "input_layer.1")
    x = F.prelu(x, state["input_layer.2.weight"])
    position = 0
    for count in units:
        for i in range(count):
            unit, stride = f"body.{position}", 1 if i else 2
            short = x[..., ::stride, ::stride]
            if f"{unit}.shortcut_layer.0.weight" in state:
                short = norm(F.conv2d(short, state[f"{unit}.shortcut_layer.0.weight"]), f"{unit}.shortcut_layer.1")
            y = F.conv2d(norm(x, f"{unit}.res_layer.0"), state[f"{unit}.res_layer.1.weight"], padding=1)
            y = F.prelu(y, state[f"{unit}.res_layer.2.weight"])
            y = F.conv2d(y, state[f"{unit}.res_layer.3.weight"], stride=stride, padding=1)
            y = norm(y, f"{unit}.res_layer.4")
            if f"{unit}.res_layer.5.fc1.weight" in state:
                gate = F.relu(F.conv2d(F.adaptive_avg_pool2d(y, 1), state[f"{unit}.res_layer.5.fc1.weight"]))
                y = y * torch.sigmoid(F.conv2d(gate, state[f"{unit}.res_layer.5.fc2.weight"]))
            x = y + short
            position += 1
    x = norm(x, "output_layer.0").flatten(1)
    x = norm(F.linear(x, state["output_layer.3.weight"], state["output_layer.3.bias"]), "output_layer.4")
    return x / x.norm(dim=1, keepdim=True)


def test_the_published_file_gives_the_published_network(published: tuple[Architecture, Path]) -> None:
    architecture, path = published
    network = load_iresnet(architecture, path, CPU)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert round(parameters / 1e6, 2) == {"arcface": 43.80, "curricularface": 65.13}[architecture.name]
    assert not any(parameter.requires_grad for parameter in network.parameters())
    images = torch.rand(2, 3, 512, 512, generator=torch.Generator().manual_seed(1)) * 2 - 1
    # At twice the size, bilinear sampling without antialiasing is the mean of 2×2 pixels.
    faces = F.adaptive_avg_pool2d(F.avg_pool2d(images, 2)[:, :, 35:223, 32:220], (112, 112))
    state = torch.load(path, weights_only=True)
    with torch.no_grad():
        embeddings = network(images)
    assert embeddings.shape == (2, 512)
    assert torch.allclose(embeddings, written_out(state, UNITS[architecture.name], faces), atol=1e-5)
    assert embeddings.std() > 0.01


def test_gradients_reach_the_picture(published: tuple[Architecture, Path]) -> None:
    architecture, path = published
    network = load_recogniser(f"{architecture.name}:{path}", PluginHost(), CPU, trains=True)
    images = (torch.rand(1, 3, 64, 64) * 2 - 1).requires_grad_(True)
    network(images)[0, 0].backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_a_safetensors_file_with_the_same_tensors_will_do(published: tuple[Architecture, Path], tmp_path: Path) -> None:
    architecture, path = published
    save_file(torch.load(path, weights_only=True), tmp_path / "same.safetensors")
    images = torch.rand(1, 3, 256, 256)
    same = load_iresnet(architecture, tmp_path / "same.safetensors", CPU)
    assert torch.equal(same(images), load_iresnet(architecture, path, CPU)(images))


def test_a_wrong_file_is_told(tmp_path: Path) -> None:
    architecture = ARCFACE
    shapes = {name: tensor.shape for name, tensor in IResNet(architecture).state_dict().items()}
    state = {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}  # stored as one number each
    first, second = "input_layer.0.weight", "body.0.res_layer.1.weight"
    missing = {name: tensor for name, tensor in state.items() if name != second}
    cases = {
        f"{second} is missing": missing,
        f"{first} is 64 × 3 × 5 × 5, not 64 × 3 × 3 × 3": {**state, first: torch.zeros(64, 3, 5, 5)},
        "surprise is unknown": {**state, "surprise": torch.zeros(1)},
        f"{first} holds NaN or Inf": {**state, first: state[first] / 0},
        "it is no table of tensors": [1, 2],
    }
    for reason, content in cases.items():
        torch.save(content, tmp_path / "wrong.pth")
        with pytest.raises(HubError, match=reason) as told:
            load_iresnet(architecture, tmp_path / "wrong.pth", CPU)
        assert architecture.file in told.value.remedy
    (tmp_path / "wrong.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(HubError, match=r"wrong\.pth cannot be read"):
        load_iresnet(architecture, tmp_path / "wrong.pth", CPU)
    with pytest.raises(HubError, match=r"gone\.pth cannot be read"):
        load_iresnet(architecture, tmp_path / "gone.pth", CPU)
    with pytest.raises(UsageError, match="needs the file"):
        load_iresnet(architecture, None, CPU)


def test_the_fixed_crop_is_the_middle_of_the_face() -> None:
    rows = torch.arange(256.0).view(1, 1, 256, 1).expand(1, 3, 256, 256)
    crop = fixed_crop(rows)
    assert crop.shape == (1, 3, 112, 112)
    assert crop[0, 0, 0, 0].item() == pytest.approx(35.5)  # the first window covers rows 35 and 36
    assert crop[0, 0, -1, 0].item() == pytest.approx(221.5)
    assert fixed_crop(rows.transpose(2, 3))[0, 0, 0, 0].item() == pytest.approx(32.5)


def test_a_similarity_is_recovered_and_the_least_squares_one_found() -> None:
    source = torch.tensor(TEMPLATE, dtype=torch.float64)
    a, b, x, y = 1.2, -0.4, 7.0, -3.0
    target = torch.stack([a * source[:, 0] - b * source[:, 1] + x, b * source[:, 0] + a * source[:, 1] + y], dim=1)
    assert torch.allclose(similarity(source, target), torch.tensor([a, b, x, y], dtype=torch.float64))
    noisy = target + torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    one, none = torch.ones(5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
    equations = torch.cat(
        [
            torch.stack([source[:, 0], -source[:, 1], one, none], dim=1),
            torch.stack([source[:, 1], source[:, 0], none, one], dim=1),
        ]
    )
    solved = torch.linalg.lstsq(equations, noisy.T.flatten()).solution
    assert torch.allclose(similarity(source, noisy), solved)


def test_a_face_on_the_template_is_cut_out_unchanged() -> None:
    image = (torch.rand(3, 140, 150, generator=torch.Generator().manual_seed(0)) * 255).round() / 127.5 - 1
    shifted = torch.tensor(TEMPLATE, dtype=torch.float64) + torch.tensor([20.0, 10.0], dtype=torch.float64)
    assert torch.allclose(warp(image, shifted)[0], image[:, 10:122, 20:132], atol=1e-5)
    beyond = torch.tensor(TEMPLATE, dtype=torch.float64) - torch.tensor([200.0, 0.0], dtype=torch.float64)
    assert torch.equal(warp(image, beyond), torch.full((1, 3, 112, 112), -1.0))


def turned(images: Tensor, degrees: float) -> Tensor:
    """Turn pictures around their middle and move them a little, grey outside, 8 bits deep."""
    angle = torch.tensor(degrees).deg2rad()
    matrix = torch.tensor([[angle.cos(), -angle.sin(), 0.1], [angle.sin(), angle.cos(), -0.05]])
    grid = F.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    drawn = F.grid_sample(images, grid, mode="bicubic", align_corners=False).clamp(-1, 1)
    return (drawn * 127.5 + 127.5).round() / 127.5 - 1


def test_a_turned_face_is_found_and_cut_out_upright() -> None:
    faces = render(*sample(2, torch.Generator().manual_seed(0)), resolution=192)
    aligner = FaceAligner(CPU)
    upright, found = aligner(torch.cat([turned(faces, 0), torch.zeros(1, 3, 192, 192)]))
    assert found.tolist() == [True, True, False]
    again, found = aligner(turned(faces, 15))
    assert found.all()
    middle = (..., slice(20, 92), slice(20, 92))
    aligned = (upright - again).abs()[middle].mean()
    unaligned = (fixed_crop(turned(faces, 0)) - fixed_crop(turned(faces, 15))).abs()[middle].mean()
    assert aligned < unaligned / 2
    assert aligner(torch.zeros(2, 3, 16, 16))[1].tolist() == [False, False]
