"""Train the small unconditional diffusion model: `python -m examples.synthetic_diffusion.ddpm --out FOLDER`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable

from .companions import write_companions
from .learning import learn
from .pictures import NUMBERS, SIDE, on_sphere, rendered

make_torchvision_importable()

from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel  # noqa: E402

PICTURES = 20_000


def network() -> UNet2DModel:
    """Return the untrained denoiser, 1.5 million weights."""
    return UNet2DModel(
        sample_size=SIDE,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(16, 48, 96),
        norm_num_groups=8,
        attention_head_dim=16,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    )


def scheduler() -> DDIMScheduler:
    """Return the schedule: cosine, v-prediction, its last timestep pure noise."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=False,
    )


def main() -> None:
    """Render the pictures, train, and write the pipeline every thousand steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--cache", type=Path, required=True, help="folder in which the rendered pictures are kept")
    parser.add_argument("--steps", type=int, default=4000, help="what the learning rate falls over")
    parser.add_argument("--stop", type=int, default=2000, help="after how many of them to stop")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    numbers = on_sphere(torch.randn(PICTURES, NUMBERS, generator=torch.Generator().manual_seed(31)))
    images = rendered(numbers, options.cache / "ddpm.safetensors")
    schedule = scheduler()

    def batch(rng: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = images[torch.randint(len(images), (32,), generator=rng)].float() / 127.5 - 1
        return chosen.contiguous(memory_format=torch.channels_last), torch.empty(0)

    def predict(model: nn.Module, noisy: Tensor, t: Tensor, _: Tensor) -> Tensor:
        return model(noisy, t).sample

    def keep(model: nn.Module, step: int) -> None:
        DDIMPipeline(model, schedule).save_pretrained(options.out)
        write_companions(options.out, {"steps": 8})
        print(f"written after {step} steps", flush=True)

    unet = network().to(memory_format=torch.channels_last)
    learn(
        unet,
        predict,
        batch,
        schedule.alphas_cumprod,
        options.steps,
        options.stop,
        1.5e-3,
        torch.Generator().manual_seed(2),
        keep,
    )


if __name__ == "__main__":
    main()
