"""The recognisers `facenet` and `facenet-casia`: InceptionResnetV1, its weights read without running them.

They are one architecture trained on VGGFace2 and on CASIA-WebFace. Source: https://github.com/timesler/facenet-pytorch,
files of its release v2.2.9.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guide_plugin.errors import HubError, UncheckedWeights
from guide_plugin.network_file import checked_sha256
from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable

RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"


@dataclass(frozen=True)
class Published:
    """A published file of weights.

    Attributes:
        sha256: what the file is held against before it is read; None where nobody is known to have published a hash.
    """

    name: str
    file: str
    sha256: str | None

    @property
    def url(self) -> str:
        return f"{RELEASE}/{self.file}"


# facenet-pytorch publishes no hash. This one is what others measured and wrote down independently of each other, among
# them one whose hashes of the detector's files, in facenet-pytorch's wheel, are those of the files there.
VGGFACE2 = Published(
    "facenet", "20180402-114759-vggface2.pt", "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"
)
CASIA = Published("facenet-casia", "20180408-102900-casia-webface.pt", None)
SIDE = 160

# The face in an FFHQ-aligned picture, as fractions of its side: rows 35 to 223 and columns 32 to 220 of 256.
FACE_ROWS = (35 / 256, 223 / 256)
FACE_COLUMNS = (32 / 256, 220 / 256)


class Facenet(nn.Module):
    """FFHQ-aligned images [n, 3, H, W] in [-1, 1] to unit embeddings [n, 512]."""

    weights_file: Path | None = None

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        make_torchvision_importable()
        from facenet_pytorch import InceptionResnetV1

        self.network = InceptionResnetV1(pretrained=None, classify=False)
        self.network.load_state_dict({name: tensor for name, tensor in state.items() if not name.startswith("logits.")})

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        face = images[
            ...,
            round(FACE_ROWS[0] * height) : round(FACE_ROWS[1] * height),
            round(FACE_COLUMNS[0] * width) : round(FACE_COLUMNS[1] * width),
        ]
        face = F.interpolate(face, (SIDE, SIDE), mode="bilinear", antialias=True)
        return self.network(face * (127.5 / 128))


def load_facenet(published: Published, weights: Path | None, device: torch.device) -> Facenet:
    """Load a recogniser from `weights`, or from torch's hub cache, where it is fetched to at first use.

    What was fetched is held against the published hash, where there is one, before it is read. A file that was named
    may hold other weights of the same network: its hash is the affair of whoever named it.

    Raises:
        HubError: the weights cannot be had, are not the published ones, or are not this network's.
    """
    path = weights or Path(torch.hub.get_dir()) / "checkpoints" / published.file
    if weights is None:
        if not path.is_file():
            _fetch(published, path)
        checked_sha256(path, published.sha256, f"Remove {path}; the next run fetches it again.")
    try:
        network = Facenet(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise HubError(
            f"{path.name} does not hold the weights of facenet's InceptionResnetV1 ({type(error).__name__}).",
            f"Fetch {published.url} again.",
        ) from error
    network.weights_file = path
    return network.to(device).eval().requires_grad_(False)


def _fetch(published: Published, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(published.url, str(path), hash_prefix=published.sha256, progress=False)
    except (OSError, RuntimeError) as error:
        raise HubError(
            f"The weights of the recogniser {published.name} cannot be fetched ({error}).",
            f"Fetch {published.url} on another machine and name the file: --recogniser-weights FILE to train with it, "
            f"--judge {published.name}:FILE to judge.",
        ) from error
    if published.sha256 is None:
        digest = checked_sha256(path, None)
        warnings.warn(
            f"No hash of {published.file} is published, so that what was fetched could not be checked; "
            f"pin it from now on: {published.name}:{path}#sha256={digest}",
            UncheckedWeights,
            stacklevel=2,
        )
