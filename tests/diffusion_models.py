"""Tiny random pipelines in diffusers' layout: everything but meaning, in a fraction of a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from guide_plugin import make_torchvision_importable

make_torchvision_importable()

import diffusers  # noqa: E402
from diffusers import (  # noqa: E402
    AutoencoderKL,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    LDMPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer  # noqa: E402

BLOCKS = ("DownBlock2D", "AttnDownBlock2D"), ("AttnUpBlock2D", "UpBlock2D")
PEOPLE = [f"<somebody-{i:02d}>" for i in range(20)]


def unet(side: int) -> UNet2DModel:
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=side,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        attention_head_dim=8,
        down_block_types=BLOCKS[0],
        up_block_types=BLOCKS[1],
    )


def write_pixel_model(folder: Path, scheduler: Any = None, **saving: Any) -> Path:
    """Write a DDIM pipeline, or a DDPM pipeline where the scheduler is one of those."""
    scheduler = scheduler or DDIMScheduler(clip_sample=False)
    pipeline = DDPMPipeline if isinstance(scheduler, diffusers.DDPMScheduler) else DDIMPipeline
    if isinstance(scheduler, diffusers.DDPMScheduler | diffusers.DDIMScheduler):
        made = pipeline(unet(16), scheduler)
        made.register_modules(scheduler=scheduler)  # a DDIM pipeline replaces it by its own copy
        made.save_pretrained(folder, **saving)
    else:
        DDPMPipeline(unet(16), scheduler).save_pretrained(folder, **saving)
    write_sampling(folder, steps=4)
    return folder


def write_latent_model(folder: Path) -> Path:
    autoencoder = VQModel(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=3,
        norm_num_groups=4,
        num_vq_embeddings=32,
    )
    LDMPipeline(autoencoder, unet(8), DDIMScheduler(clip_sample=False)).save_pretrained(folder)
    write_sampling(folder, steps=4)
    return folder


def tokenizer() -> CLIPTokenizer:
    """Return a CLIP tokenizer that spells every word, and knows `PEOPLE` by a token each."""
    letters = "abcdefghijklmnopqrstuvwxyz-"
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    made = CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], model_max_length=40)
    made.add_tokens(PEOPLE)
    return made


def text_config(words: CLIPTokenizer, width: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=40,
        projection_dim=12,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.eos_token_id,
    )


def autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
    )


def conditioned(width: int, **more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        attention_head_dim=2,
        cross_attention_dim=width,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **more,
    )


def write_text_model(folder: Path, guidance: float = 1.0, scheduler: Any = None, **saving: Any) -> Path:
    torch.manual_seed(0)
    words = tokenizer()
    StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=CLIPTextModel(text_config(words, 8)),
        tokenizer=words,
        unet=conditioned(8),
        scheduler=scheduler or DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder, **saving)
    write_sampling(folder, steps=4, guidance=guidance, people=PEOPLE)
    return folder


def write_large_text_model(folder: Path, guidance: float = 1.0) -> Path:
    torch.manual_seed(0)
    words = tokenizer()
    time_ids = 6 * 4
    StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=CLIPTextModel(text_config(words, 8)),
        text_encoder_2=CLIPTextModelWithProjection(text_config(words, 6)),
        tokenizer=words,
        tokenizer_2=words,
        unet=conditioned(
            14,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=time_ids + 12,
        ),
        scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        add_watermarker=False,
    ).save_pretrained(folder)
    write_sampling(folder, steps=4, guidance=guidance, people=PEOPLE)
    return folder


def write_sampling(folder: Path, **values: Any) -> None:
    (folder / "sampling.json").write_text(json.dumps(values))
