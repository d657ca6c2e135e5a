"""Your own network for one modality: any torch module with an integer attribute `out_features`."""

from torch import Tensor, nn

import interplay as ip
from interplay.data.datasets import load_digit_halves


class SmallConv(nn.Module):
    """Half a digit, 32 numbers, as a picture of 8 rows and 4 columns."""

    out_features = 64

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Unflatten(1, (1, 8, 4)),
            nn.Conv2d(1, 16, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(16 * 32, self.out_features),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


train, test = load_digit_halves(split=True)
encoders = {"left": SmallConv(), "right": "mlp"}  # named ones and your own go together
model = ip.MultimodalClassifier("joint", encoders=encoders, max_epochs=10, random_state=0).fit(train)
print(ip.evaluation.evaluate(model, test).round(3))
