"""Inception as FID sees pictures: pytorch-fid's network, its weights read without running them.

Source: https://github.com/mseitzer/pytorch-fid, release `fid_weights`; Heusel et al., "GANs Trained by a Two Time-Scale
Update Rule", NeurIPS 2017.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guide_plugin.errors import HubError, UsageError
from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable

WEIGHTS_FILE = "pt_inception-2015-12-05-6726825d.pth"
WEIGHTS_URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{WEIGHTS_FILE}"
HASH_PREFIX = "6726825d"
SIDE = 299
WIDTH = 2048


class FidInception(nn.Module):
    """Images [n, 3, H, W] in [0, 1] to features [n, 2048], those that pytorch-fid computes by default.

    Raises:
        ImportError: pytorch-fid is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        make_torchvision_importable()
        from pytorch_fid import inception as fid
        from torchvision.models import inception_v3

        network = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
        network.Mixed_5b = fid.FIDInceptionA(192, pool_features=32)
        network.Mixed_5c = fid.FIDInceptionA(256, pool_features=64)
        network.Mixed_5d = fid.FIDInceptionA(288, pool_features=64)
        network.Mixed_6b = fid.FIDInceptionC(768, channels_7x7=128)
        network.Mixed_6c = fid.FIDInceptionC(768, channels_7x7=160)
        network.Mixed_6d = fid.FIDInceptionC(768, channels_7x7=160)
        network.Mixed_6e = fid.FIDInceptionC(768, channels_7x7=192)
        network.Mixed_7b = fid.FIDInceptionE_1(1280)
        network.Mixed_7c = fid.FIDInceptionE_2(2048)
        network.dropout = network.fc = nn.Identity()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        x = F.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=False)
        return self.network(2 * x - 1)


def load_inception(weights: Path | None, device: torch.device) -> FidInception:
    """Load the network from `weights`, or from torch's hub cache, where it is fetched to at first use.

    Raises:
        UsageError: pytorch-fid is not installed.
        HubError: the weights cannot be had or are not this network's.
    """
    try:
        network = FidInception()
    except ImportError:
        raise UsageError("FID needs the package pytorch-fid.", "Install it: pip install 'guide-plugin[fid]'.") from None
    path = weights or Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_FILE
    if weights is None and not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(WEIGHTS_URL, str(path), hash_prefix=HASH_PREFIX, progress=False)
        except (OSError, RuntimeError) as error:
            raise HubError(
                f"The weights of FID's Inception cannot be fetched ({error}).",
                f"Fetch {WEIGHTS_URL} on another machine and name the file: --inception FILE.",
            ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.network.load_state_dict({name: state[name] for name in state if not name.startswith("fc.")})
    except Exception as error:
        raise HubError(
            f"{path.name} does not hold the weights of FID's Inception ({type(error).__name__}).",
            f"Fetch {WEIGHTS_URL} again.",
        ) from error
    return network.to(device).eval().requires_grad_(False)
