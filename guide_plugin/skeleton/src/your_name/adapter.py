"""The adapter: what `unlearn` needs to know of this generator. It imports torch only where it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from guide_plugin import Adapter, AdapterError, LocalCheckpoint, Match, RepoListing, Saved, Synthesis, View, hookimpl
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import torch
    from guide_plugin import RegisterAdapter
    from torch import Tensor
    from torch.nn import Parameter

    from your_name.network import Generator

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class Config(BaseModel):
    """What `config.json` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_type: Literal["your-name"] = "your-name"
    code_size: int = Field(ge=1, le=4096)
    widths: list[Annotated[int, Field(ge=1, le=4096)]] = Field(min_length=1, max_length=8)


class YourNameAdapter(Adapter):
    """A small DCGAN: config.json and model.safetensors."""

    name: ClassVar[str] = "your-name"
    api_version: ClassVar[int] = 1
    alignment: ClassVar[str] = "ffhq"
    standard_normal: ClassVar[bool] = True

    def __init__(self, generator: Generator, config: Config, device: torch.device) -> None:
        self.generator, self.config, self.device = generator, config, device
        self.latent_shape = (config.code_size,)

    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        config = listing.documents.get(CONFIG)
        if not isinstance(config, dict) or config.get("model_type") != cls.name or WEIGHTS not in listing.files:
            return None
        return Match((CONFIG, WEIGHTS), "your-name")

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from your_name.network import Generator

        try:
            config = Config.model_validate_json((checkpoint.folder / CONFIG).read_bytes())
            generator = Generator(config.code_size, config.widths)
            generator.load_state_dict(load_file(checkpoint.folder / WEIGHTS))
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise AdapterError(f"{cls.name}: the model cannot be read ({reason}).", "Fetch it again.") from error
        return cls(generator.to(device).eval().requires_grad_(False), config, device)

    def mean_latent(self) -> Tensor:
        import torch

        return torch.zeros(1, *self.latent_shape, device=self.device)

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        import torch

        return torch.randn(n, *self.latent_shape, generator=rng).to(self.device)

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        drawing = self.generator(w)
        return Synthesis(drawing.image, drawing.features)

    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        yield from self.generator.named_parameters()

    def save(self, folder: Path) -> Saved:
        from safetensors.torch import save_file

        (folder / CONFIG).write_text(self.config.model_dump_json(indent=2))
        save_file(self.generator.state_dict(), folder / WEIGHTS)
        return Saved((folder / CONFIG, folder / WEIGHTS))


@hookimpl
def unlearn_register_adapters(register: RegisterAdapter) -> None:
    register(YourNameAdapter)
