"""Train the small text-to-image model: `python -m examples.synthetic_diffusion.text_to_image --out FOLDER`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable

from . import people_words as words
from .companions import write_companions
from .ddpm import scheduler
from .learning import learn
from .pictures import rendered

make_torchvision_importable()

from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel  # noqa: E402

NOBODY = "a photo of a person"
UNSAID, GENERIC = 0.1, 0.1
"""How often a caption is left out, and how often it names nobody."""


def autoencoder() -> AutoencoderKL:
    """Return the untrained autoencoder: 32×32 pictures to 16×16 latents of four channels."""
    return AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=32,
        mid_block_add_attention=False,
    )


def text_encoder(vocabulary: int, end: int, start: int) -> CLIPTextModel:
    """Return the untrained text encoder."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=words.WIDTH,
            intermediate_size=2 * words.WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=20,
            eos_token_id=end,
            bos_token_id=start,
            pad_token_id=end,
        )
    )


def denoiser() -> UNet2DConditionModel:
    """Return the untrained denoiser of the latents."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(32, 64, 80),
        norm_num_groups=8,
        attention_head_dim=4,
        cross_attention_dim=words.WIDTH,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )


def train_autoencoder(vae: AutoencoderKL, images: Tensor, steps: int, rng: torch.Generator) -> None:
    """Train on pixels, edges and a slight pull towards normal latents; then set the factor to unit variance."""
    optimiser = torch.optim.Adam(vae.parameters(), lr=2e-3, betas=(0.9, 0.99))
    for step in range(1, steps + 1):
        optimiser.param_groups[0]["lr"] = 2e-3 * min(1.0, step / 100) * (1 - step / steps) + 1e-5
        x = images[torch.randint(len(images), (16,), generator=rng)].float() / 127.5 - 1
        posterior = vae.encode(x).latent_dist
        mean, spread = posterior.mean, posterior.std
        y = vae.decode(mean + spread * torch.randn(mean.shape, generator=rng)).sample
        edges = sum(F.l1_loss(y.diff(dim=d), x.diff(dim=d)) for d in (2, 3))
        loss = F.l1_loss(y, x) + edges + 1e-4 * posterior.kl().mean() / mean[0].numel() * 100
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 0:
            print(f"autoencoder {step}: {loss.item():.4f}, pixels {F.mse_loss(y, x).item():.5f}", flush=True)


@torch.no_grad()
def latents_of(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Return the mean latents of byte pictures, not scaled."""
    return torch.cat([vae.encode(part.float() / 127.5 - 1).latent_dist.mean for part in images.split(64)])


def main() -> None:
    """Render, train the autoencoder, then text encoder and denoiser together; write every thousand steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--cache", type=Path, required=True, help="folder in which the rendered pictures are kept")
    parser.add_argument("--autoencoder-steps", type=int, default=2500)
    parser.add_argument("--steps", type=int, default=5000, help="what the learning rate falls over")
    parser.add_argument("--stop", type=int, default=2000, help="after how many of them to stop")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(5)
    identity = words.identities(torch.Generator().manual_seed(41))
    data = words.told(identity, words.SCENES, torch.Generator().manual_seed(42))
    images = rendered(data.numbers, options.cache / "text-to-image.safetensors")
    vae, rng = autoencoder(), torch.Generator().manual_seed(6)
    train_autoencoder(vae, images, options.autoencoder_steps, rng)
    vae.requires_grad_(False).eval()
    clean = latents_of(vae, images)
    vae.register_to_config(scaling_factor=round(1 / clean.std().item(), 4))
    clean = clean * vae.config.scaling_factor
    tokenizer = words.tokenizer()
    text = text_encoder(len(tokenizer), tokenizer.eos_token_id, tokenizer.bos_token_id)
    embedding = text.get_input_embeddings()
    ids = torch.tensor(tokenizer.convert_tokens_to_ids(words.NAMES))
    vectors = words.token_vectors(identity)
    with torch.no_grad():
        embedding.weight[ids] = vectors
    embedding.weight.register_hook(lambda gradient: gradient.index_fill(0, ids, 0.0))

    def spoken(captions: list[str]) -> Tensor:
        return tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids

    said = spoken([c.format(words.NAMES[p]) for c, p in zip(data.captions, data.person.tolist(), strict=True)])
    nobody, silence = spoken([NOBODY])[0], spoken([""])[0]

    def batch(rng: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(clean), (32,), generator=rng)
        captions, luck = said[chosen].clone(), torch.rand(32, generator=rng)
        captions[luck < UNSAID + GENERIC] = nobody
        captions[luck < UNSAID] = silence
        return clean[chosen].contiguous(memory_format=torch.channels_last), captions

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.text, self.unet = text, denoiser().to(memory_format=torch.channels_last)

    def predict(model: nn.Module, noisy: Tensor, t: Tensor, captions: Tensor) -> Tensor:
        return model.unet(noisy, t, model.text(captions).last_hidden_state).sample

    def keep(model: nn.Module, step: int) -> None:
        with torch.no_grad():
            model.text.get_input_embeddings().weight[ids] = vectors
        StableDiffusionPipeline(
            vae=vae,
            text_encoder=model.text,
            tokenizer=tokenizer,
            unet=model.unet,
            scheduler=scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).save_pretrained(options.out)
        write_companions(options.out, {"steps": 8, "people": words.NAMES, **words.PROMPTS})
        print(f"written after {step} steps", flush=True)

    learn(Both(), predict, batch, scheduler().alphas_cumprod, options.steps, options.stop, 1.5e-3, rng, keep)


if __name__ == "__main__":
    main()
