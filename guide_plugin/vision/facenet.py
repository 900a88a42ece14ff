"""The recogniser `facenet`: InceptionResnetV1 trained on VGGFace2, its weights read without running them.

Source: https://github.com/timesler/facenet-pytorch, file `20180402-114759-vggface2.pt` of its release v2.2.9.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guide_plugin.errors import HubError
from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable

WEIGHTS_FILE = "20180402-114759-vggface2.pt"
WEIGHTS_URL = f"https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/{WEIGHTS_FILE}"
SIDE = 160

# The face in an FFHQ-aligned picture, as fractions of its side: rows 35 to 223 and columns 32 to 220 of 256.
FACE_ROWS = (35 / 256, 223 / 256)
FACE_COLUMNS = (32 / 256, 220 / 256)


class Facenet(nn.Module):
    """FFHQ-aligned images [n, 3, H, W] in [-1, 1] to unit embeddings [n, 512]."""

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


def load_facenet(weights: Path | None, device: torch.device) -> Facenet:
    """Load the recogniser from `weights`, or from torch's hub cache, where it is fetched to at first use.

    Raises:
        HubError: the weights cannot be had or are not this network's.
    """
    path = weights or Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_FILE
    if weights is None and not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(WEIGHTS_URL, str(path), progress=False)
        except OSError as error:
            raise HubError(
                f"The weights of the recogniser facenet cannot be fetched ({error}).",
                f"Fetch {WEIGHTS_URL} on another machine and name the file: --recogniser facenet:FILE.",
            ) from error
    try:
        network = Facenet(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise HubError(
            f"{path.name} does not hold the weights of facenet's InceptionResnetV1 ({type(error).__name__}).",
            f"Fetch {WEIGHTS_URL} again.",
        ) from error
    return network.to(device).eval().requires_grad_(False)
