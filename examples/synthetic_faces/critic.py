"""The critic of the second round: it judges small patches, so that what is drawn gets a rendering's crispness."""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu


class PatchCritic(nn.Module):
    """Score overlapping patches of 26 pixels: pictures [n,3,64,64] to scores [n,1,14,14], higher for rendered ones."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 96)) -> None:
        super().__init__()
        a, b, c = widths
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(3, a, 4, stride=2, padding=1),
                nn.Conv2d(a, b, 4, stride=2, padding=1),
                nn.Conv2d(b, c, 3, padding=1),
                nn.Conv2d(c, 1, 3),
            ]
        )

    def forward(self, pictures: Tensor) -> Tensor:
        x = pictures
        for conv in self.convs[:-1]:
            x = leaky_relu(conv(x), 0.2)
        return self.convs[-1](x)


class Contest:
    """Train a critic beside the generator, with the hinge loss."""

    def __init__(self, lr: float = 1e-3) -> None:
        self.critic = PatchCritic()
        self.optimiser = torch.optim.Adam(self.critic.parameters(), lr=lr, betas=(0.5, 0.99))

    def learn(self, drawn: Tensor, rendered: Tensor) -> float:
        """Take one step of the critic; give its loss, 2 where it cannot tell and 0 where it always can."""
        loss = relu(1 - self.critic(rendered)).mean() + relu(1 + self.critic(drawn.detach())).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def urge(self, drawn: Tensor) -> Tensor:
        """Give the loss that makes the generator's pictures pass."""
        self.critic.requires_grad_(False)
        loss = -self.critic(drawn).mean()
        self.critic.requires_grad_(True)
        return loss
