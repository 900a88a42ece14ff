"""Diffusion pipelines behind the contract: they draw what diffusers draws, and go back into its layout."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from guide_plugin import Adapter, AdapterError, LocalCheckpoint, PluginHost, UsageError
from guide_plugin.hub.source import find
from hub_adapters.diffusion.sampling import ddim, noise_of, sample
from tests import diffusion_models as models

CPU = torch.device("cpu")
STEPS = 4


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def load(folder: Path) -> Any:
    source, adapter, claim = find(str(folder), None, PluginHost().adapters)
    return adapter.load(LocalCheckpoint(source.folder, claim.files), CPU)


def pictures(pipeline: Any, *prompts: Any, **arguments: Any) -> Tensor:
    """Draw with a plain pipeline, brought to [-1, 1]."""
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline(*prompts, num_inference_steps=STEPS, output_type="np", **arguments).images
    return torch.tensor(drawn).permute(0, 3, 1, 2) * 2 - 1


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pipelines")
    return {
        "pixel": models.write_pixel_model(folder / "pixel"),
        "ddpm": models.write_pixel_model(folder / "ddpm", diffusers.DDPMScheduler(clip_sample=False)),
        "latent": models.write_latent_model(folder / "latent"),
        "text": models.write_text_model(folder / "text"),
        "guided": models.write_text_model(folder / "guided", guidance=3.0),
        "large": models.write_large_text_model(folder / "large", guidance=3.0),
    }


def unconditional(pipeline: Any) -> tuple[Tensor, Callable[[Any], Tensor]]:
    """Return a plain pipeline's pictures from seed 5, and how an adapter draws the same."""

    def ours(adapter: Any) -> Tensor:
        return adapter.synthesize(adapter.sample_latents(2, seeded(5))).image

    return pictures(pipeline, batch_size=2, generator=seeded(5)), ours


def conditional(pipeline: Any, guidance: float) -> tuple[Tensor, Callable[[Any], Tensor]]:
    """Return a plain pipeline's pictures of two known people from two seeds, and how an adapter draws the same."""
    who = models.PEOPLE[3], models.PEOPLE[7]
    prompts = [f"a studio portrait of {who[0]}", f"{who[1]} looking into the camera"]
    sizes = {"height": 16, "width": 16, "guidance_scale": guidance}
    plain = pictures(pipeline, prompts, generator=[seeded(11), seeded(12)], **sizes)

    def ours(adapter: Any) -> Tensor:
        codes = torch.cat([adapter.code_of_name(name) for name in who])
        audited = adapter.audit_views()[:, 1].unique()
        views = torch.tensor([[11, audited[1], 0], [12, audited[2], 0]])
        return adapter.synthesize(codes, views).image

    return plain, ours


@pytest.mark.parametrize("kind", ["pixel", "ddpm", "latent", "text", "guided", "large"])
def test_the_saved_pipeline_draws_in_plain_diffusers_what_we_draw(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    adapter = load(folders[kind])
    with torch.no_grad():
        for _, parameter in adapter.trainable_parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=seeded(1)))
        adapter.save(tmp_path)
        if kind in {"pixel", "ddpm", "latent"}:
            kinds = {"pixel": diffusers.DDIMPipeline, "ddpm": diffusers.DDIMPipeline, "latent": diffusers.LDMPipeline}
            plain, ours = unconditional(kinds[kind].from_pretrained(tmp_path))
        else:
            large = kind == "large"
            cls = diffusers.StableDiffusionXLPipeline if large else diffusers.StableDiffusionPipeline
            plain, ours = conditional(cls.from_pretrained(tmp_path), 1.0 if kind == "text" else 3.0)
        assert torch.allclose(ours(adapter), plain, atol=1e-4)
        assert torch.equal(ours(adapter), ours(load(tmp_path)))
        assert not torch.allclose(ours(load(folders[kind])), plain, atol=1e-3)  # the change arrived


@pytest.mark.parametrize("kind", ["pixel", "latent", "text"])
def test_everything_but_the_denoiser_is_written_as_it_came(kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folders[kind], folder)
    (folder / "safety_checker").mkdir()
    (folder / "safety_checker" / "model.safetensors").write_bytes(b"never opened")
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (folder / "model_index.json").write_text(json.dumps(index))
    out = tmp_path / "out"
    out.mkdir()
    written = load(folder).save(out).files
    assert {path.relative_to(out).as_posix() for path in written} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }
    for path in written:
        if path.parent.name != "unet":
            assert path.read_bytes() == (folder / path.relative_to(out)).read_bytes()


def test_half_precision_stays_half(tmp_path: Path) -> None:
    models.write_pixel_model(tmp_path / "half", variant="fp16")
    folder = tmp_path / "half"
    whole = diffusers.UNet2DModel.from_pretrained(folder / "unet", variant="fp16").half()
    whole.save_pretrained(folder / "unet", variant="fp16")
    adapter = load(folder)
    assert next(adapter.trainable_parameters())[1].dtype == torch.float32
    (tmp_path / "out").mkdir()
    names = {path.name for path in adapter.save(tmp_path / "out").files}
    assert "diffusion_pytorch_model.fp16.safetensors" in names
    assert "diffusion_pytorch_model.safetensors" not in names
    w = adapter.sample_latents(1, seeded(0))
    assert torch.equal(adapter.synthesize(w).image, load(tmp_path / "out").synthesize(w).image)


def test_full_precision_is_preferred_to_half(tmp_path: Path) -> None:
    folder = models.write_pixel_model(tmp_path / "both")
    shutil.copyfile(
        folder / "unet" / "diffusion_pytorch_model.safetensors",
        folder / "unet" / "diffusion_pytorch_model.fp16.safetensors",
    )
    _, _, claim = find(str(folder), None, PluginHost().adapters)
    assert [file for file in claim.files if file.endswith(".safetensors")] == [
        "unet/diffusion_pytorch_model.safetensors"
    ]


@pytest.mark.parametrize("kind", ["pixel", "latent", "text", "large"])
def test_a_training_view_has_gradients_in_its_last_step_alone(kind: str, folders: dict[str, Path]) -> None:
    adapter = load(folders[kind])
    trained = dict(adapter.trainable_parameters())
    calls: list[bool] = []
    adapter.unet.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    for parameter in trained.values():
        parameter.requires_grad_(True)
    view = adapter.sample_views(1, seeded(2))
    view[:, -1] = 3
    drawn = adapter.synthesize(adapter.sample_latents(1, seeded(3)), view)
    passes = len(calls) // 3  # two with guidance
    assert calls == [False] * 2 * passes + [True] * passes
    (drawn.image.sum() + drawn.features.sum()).backward()
    reached = {name for name, parameter in trained.items() if parameter.grad is not None}
    assert reached == set(trained)


@pytest.mark.parametrize("kind", ["pixel", "text"])
def test_the_last_step_of_a_training_view_is_the_finished_picture(kind: str, folders: dict[str, Path]) -> None:
    adapter = load(folders[kind])
    view = adapter.sample_views(1, seeded(2))
    w = adapter.sample_latents(1, seeded(3))
    finished = view.clone()
    finished[:, -1], view[:, -1] = 0, STEPS
    assert torch.equal(adapter.synthesize(w, view).image, adapter.synthesize(w, finished).image)


def test_views_belong_to_their_codes_in_any_order(folders: dict[str, Path]) -> None:
    adapter = load(folders["text"])
    w, views = adapter.sample_latents(4, seeded(1)), adapter.sample_views(4, seeded(2))
    views[:, -1] = torch.tensor([2, 0, 3, 2])
    together = adapter.synthesize(w, views).image
    apart = torch.cat([adapter.synthesize(w[i : i + 1], views[i : i + 1]).image for i in range(4)])
    assert torch.allclose(together, apart, atol=1e-5)


def test_a_prompt_that_names_nobody_draws_the_same_for_everybody(folders: dict[str, Path]) -> None:
    adapter = load(folders["text"])
    nobody = int((adapter.spoken[0].place[: adapter.trained_templates] < 0).nonzero()[0])
    drawn = adapter.synthesize(adapter.sample_latents(2, seeded(1)), torch.tensor([[9, nobody, 0]] * 2)).image
    assert torch.equal(drawn[0], drawn[1])


def test_noise_off_the_shell_is_drawn_at_the_shell_and_random_noise_as_it_is(folders: dict[str, Path]) -> None:
    adapter = load(folders["pixel"])
    w = adapter.sample_latents(2, seeded(4))
    assert torch.equal(adapter.starting_noise(w).flatten(1), w)
    short = adapter.starting_noise(0.5 * w).flatten(1)
    assert torch.allclose(torch.nn.functional.cosine_similarity(short, w), torch.ones(2))
    assert (short.norm(dim=1) > 0.9 * w.norm(dim=1)).all()
    assert adapter.starting_noise(adapter.mean_latent()).abs().max() == 0


def test_the_antipode_is_the_target_at_the_typical_radius(folders: dict[str, Path]) -> None:
    from guide_plugin.operators.guide.target import mean_distance, ufo_target

    adapter = load(folders["pixel"])
    d = mean_distance(adapter, seeded(0))
    assert d == pytest.approx(adapter.latent_shape[0] ** 0.5, rel=0.01)
    w = adapter.sample_latents(1, seeded(4))
    target = ufo_target(w, adapter.mean_latent(), d)
    assert torch.nn.functional.cosine_similarity(target, w).item() == pytest.approx(-1)
    assert target.norm().item() == pytest.approx(d)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_going_backwards_finds_the_noise_of_samples(kind: str) -> None:
    """For a denoiser that is smooth, as trained ones are: where it is not, no noise need belong to the samples."""
    scheduler = ddim(diffusers.DDIMScheduler(clip_sample=False, prediction_type=kind), 20)

    def smooth(x: Tensor, t: Tensor) -> Tensor:
        return 0.5 * x + 0.1 * (3 * x).sin().roll(1, dims=3)

    noise = torch.randn(2, 3, 8, 8, generator=seeded(6))
    samples = sample(scheduler, smooth, noise).sample
    assert (samples - noise).abs().max() > 0.1
    assert torch.allclose(noise_of(scheduler, smooth, samples), noise, atol=1e-3)


def test_a_copy_is_independent_and_shares_what_never_changes(folders: dict[str, Path]) -> None:
    teacher = load(folders["text"])
    w, view = teacher.sample_latents(1, seeded(1)), teacher.audit_views()[:1]
    before = teacher.synthesize(w, view).image
    student: Adapter = copy.deepcopy(teacher)
    with torch.no_grad():
        for _, parameter in student.trainable_parameters():
            parameter.zero_()
    assert torch.equal(teacher.synthesize(w, view).image, before)
    assert not torch.equal(student.synthesize(w, view).image, before)
    assert student.vae is teacher.vae  # type: ignore[attr-defined]


def test_less_memory_gives_the_same_gradients(folders: dict[str, Path]) -> None:
    adapter = load(folders["pixel"])
    w = adapter.sample_latents(1, seeded(1)).requires_grad_(True)
    gradients = []
    for _ in range(2):
        gradients += torch.autograd.grad(adapter.synthesize(w).image.square().sum(), w)
        adapter.save_memory()
    assert torch.allclose(*gradients, atol=1e-6)
    assert gradients[0].abs().max() > 0
    assert not adapter.save_memory()


def test_textual_inversion_stays_among_people_and_lowers_the_loss(folders: dict[str, Path]) -> None:
    adapter = load(folders["text"])
    images = adapter.synthesize(adapter.sample_latents(2, seeded(3)), adapter.audit_views()[:2]).image.detach()
    told: list[int] = []
    start = adapter.mean_latent().expand(2, -1)
    found = adapter.invert(images, adapter.audit_views()[:2], start, 10, seeded(0), told.append)
    assert found.shape == (2, *adapter.latent_shape)
    assert told == list(range(1, 11))
    assert not torch.equal(found[0], found[1])
    people = adapter.people - adapter.mean_latent()
    rest = (found - adapter.mean_latent()) - (found - adapter.mean_latent()) @ torch.linalg.pinv(people) @ people
    assert rest.abs().max() < 1e-4


def test_random_people_vary_as_the_known_ones_do(folders: dict[str, Path]) -> None:
    adapter = load(folders["text"])
    drawn = adapter.sample_latents(20_000, seeded(0))
    assert torch.allclose(drawn.mean(dim=0), adapter.mean_latent()[0], atol=5e-3)
    known = (adapter.people - adapter.mean_latent()).T @ (adapter.people - adapter.mean_latent()) / len(adapter.people)
    assert torch.allclose(drawn.T.cov(), known, atol=0.05 * known.abs().max().item())


def test_names(folders: dict[str, Path]) -> None:
    adapter = load(folders["text"])
    assert adapter.code_of_name(models.PEOPLE[0]).shape == (1, *adapter.latent_shape)
    with pytest.raises(UsageError, match="not 1 token"):
        adapter.code_of_name("somebody else")
    assert load(folders["pixel"]).code_of_name("anybody") is None


def changed(folder: Path, **values: Any) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, **values}))


def unknown_class(folder: Path) -> None:
    changed(folder, _class_name="FluxPipeline")


def missing_component(folder: Path) -> None:
    changed(folder, scheduler=[None, None])


def missing_folder(folder: Path) -> None:
    shutil.rmtree(folder / "unet")


def weights_that_run_code(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(folder / "unet" / "diffusion_pytorch_model.bin")


def flow_matching(folder: Path) -> None:
    diffusers.FlowMatchEulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    changed(folder, scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"])


def foreign_component(folder: Path) -> None:
    changed(folder, unet=["os", "system"])


def cut_weights(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])


def wrong_sampling(folder: Path) -> None:
    models.write_sampling(folder, steps=0)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (unknown_class, "FluxPipeline cannot be unlearned from.*DDPMPipeline, DDIMPipeline, LDMPipeline"),
        (missing_component, "names no scheduler"),
        (missing_folder, "component unet is not there"),
        (weights_that_run_code, r"diffusion_pytorch_model.bin is no safetensors.*safe_serialization=True"),
        (flow_matching, "FlowMatchEulerDiscreteScheduler has no noise schedule"),
        (foreign_component, "unet is a system, which is not known here"),
        (cut_weights, "unet .UNet2DModel. cannot be loaded"),
        (wrong_sampling, "sampling.json: steps"),
    ],
)
def test_bad_pipelines_get_a_sentence_and_a_remedy(
    spoil: Callable[[Path], None], says: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["pixel"], tmp_path / "model")
    spoil(tmp_path / "model")
    with pytest.raises((AdapterError, UsageError), match=says):
        load(tmp_path / "model")


@pytest.mark.parametrize(
    "scheduler", ["PNDMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"]
)
def test_other_schedulers_keep_their_noise_and_their_file(
    scheduler: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    made = getattr(diffusers, scheduler)(beta_start=0.001, beta_end=0.01)
    folder = models.write_text_model(tmp_path / "model", scheduler=made)
    adapter = load(folder)
    assert torch.allclose(adapter.pipeline.scheduler.alphas_cumprod, made.alphas_cumprod, rtol=1e-4)
    (tmp_path / "out").mkdir()
    adapter.save(tmp_path / "out")
    kept = "scheduler/scheduler_config.json"
    assert (tmp_path / "out" / kept).read_bytes() == (folder / kept).read_bytes()
