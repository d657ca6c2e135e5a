"""From the latents of some modalities to those of the others.

All take latents ``(B, L_m, d)`` by modality and which of them each row has, ``(B,)`` by modality, and give for every
modality mean and log-variance ``(B, L_m, d)`` of what the *other* available ones say about it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise, permutations

import torch
from torch import Tensor, nn

from interplay.nn.modules import ByName, GaussianHead
from interplay.nn.sequences import resample

Gaussian = tuple[Tensor, Tensor]


class TokenConv(nn.Module):
    """Convolution over the tokens of ``(B, L, d)``; ``kernel`` 1 is a linear map of each token."""

    def __init__(self, in_features: int, out_features: int, kernel: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.map: nn.Module
        if kernel == 1:
            self.map = nn.Linear(in_features, out_features, bias)
        else:
            self.map = nn.Conv1d(in_features, out_features, kernel, padding=kernel // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, L, in_features)`` to ``(B, L, out_features)``."""
        return self.map(x) if isinstance(self.map, nn.Linear) else self.map(x.mT).mT


class CascadedAutoencoder(nn.Module):
    r"""Cascaded residual autoencoder: block :math:`i` sees the input plus the outputs of all blocks before it.

    .. math:: x_i = x + \sum_{j < i} r_j, \qquad r_i = D_i(E_i(x_i)), \qquad \text{out} = f(x_n + r_n)

    Args:
        width: width of input and output.
        channels: widths of the encoders' layers; the decoders have them backwards.
        blocks: number of autoencoders.
        kernel: of the convolutions over tokens; 1 for vectors.

    Reference:
        Tran et al., Missing Modalities Imputation via Cascaded Residual Autoencoder, CVPR 2017.
    """

    def __init__(self, width: int, channels: Sequence[int], blocks: int, kernel: int = 1) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([self._block(width, channels, kernel) for _ in range(blocks)])
        self.output = nn.Sequential(
            TokenConv(width, width, kernel, bias=False), nn.ReLU(), TokenConv(width, width, kernel, bias=False)
        )

    @staticmethod
    def _block(width: int, channels: Sequence[int], kernel: int) -> nn.Sequential:
        down, up = [width, *channels], [*reversed(channels)]
        layers: list[nn.Module] = []
        for before, after in pairwise(down):
            layers += [TokenConv(before, after, kernel, bias=False), nn.LeakyReLU()]
        layers.pop()
        for before, after in pairwise(up):
            layers += [TokenConv(before, after, kernel), nn.ReLU()]
        return nn.Sequential(*layers, TokenConv(channels[0], width))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, L, width)`` to the same shape."""
        for block in self.blocks:
            x = x + block(x)
        return self.output(x)


class Translator(nn.Module, ABC):
    """What all translators can do."""

    names: tuple[str, ...]

    @abstractmethod
    def forward(self, latents: Mapping[str, Tensor], available: Mapping[str, Tensor]) -> dict[str, Gaussian]:
        """For every modality what the other available ones say; rows without any get a constant."""

    @abstractmethod
    def singly(self, latents: Mapping[str, Tensor], targets: Mapping[str, tuple[str, int]]) -> dict[str, Gaussian]:
        """By source, what each alone says about the target that ``targets`` gives it, with the target's length."""


class HubTranslator(Translator):
    r"""Every modality to one hub and back: ``2 M`` maps and one cascaded residual autoencoder.

    Modality :math:`s` gives the hub a Gaussian expert with mean :math:`\mu_s` and precision :math:`\lambda_s`; those of
    the available others are multiplied with a standard normal prior,

    .. math:: \Lambda_t = 1 + \sum_{s \in A \setminus t} \lambda_s, \qquad
              h_t = \Lambda_t^{-1} \sum_{s \in A \setminus t} \lambda_s \mu_s ,

    and mean and log-variance of target :math:`t` are read from :math:`h_t` and :math:`\log \Lambda_t`.

    Args:
        names: the modalities.
        width: width of the latents.
        hidden: width of the hub.
        channels: of the autoencoder.
        blocks: of the autoencoder.
        kernel: of its convolutions; 1 for vectors.
    """

    def __init__(
        self, names: Sequence[str], width: int, hidden: int, channels: Sequence[int], blocks: int, kernel: int = 1
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.enter = ByName({name: GaussianHead(width, hidden, 4.0) for name in names})
        self.certainty = nn.Linear(hidden, hidden)
        self.body = CascadedAutoencoder(hidden, channels, blocks, kernel)
        self.leave = ByName({name: GaussianHead(hidden, width) for name in names})

    def forward(self, latents: Mapping[str, Tensor], available: Mapping[str, Tensor]) -> dict[str, Gaussian]:
        """Leave-one-out products of experts, all targets in one pass through the hub."""
        length = max(x.shape[1] for x in latents.values())
        experts = [self._expert(name, x, length) for name, x in latents.items()]
        there = torch.stack([available[name] for name in latents])[..., None, None]
        precision = torch.stack([p for _, p in experts]) * there
        weighted = torch.stack([m for m, _ in experts]) * precision
        others = 1 + (precision.sum(0) - precision).clamp_min(0)
        code = self._through((weighted.sum(0) - weighted) / others, others)
        return {
            name: self.leave[name](resample(h, latents[name].shape[1]))
            for name, h in zip(latents, code.unbind(0), strict=True)
        }

    def singly(self, latents: Mapping[str, Tensor], targets: Mapping[str, tuple[str, int]]) -> dict[str, Gaussian]:
        """One expert and the prior, all sources in one pass through the hub."""
        length = max([steps for _, steps in targets.values()] + [latents[name].shape[1] for name in targets])
        experts = [self._expert(name, latents[name], length) for name in targets]
        precision = 1 + torch.stack([p for _, p in experts])
        weighted = torch.stack([m * p for m, p in experts])
        code = self._through(weighted / precision, precision)
        return {
            source: self.leave[target](resample(h, steps))
            for (source, (target, steps)), h in zip(targets.items(), code.unbind(0), strict=True)
        }

    def _expert(self, name: str, x: Tensor, length: int) -> Gaussian:
        mean, log_precision = self.enter[name](resample(x, length))
        return mean, log_precision.exp()

    def _through(self, mean: Tensor, precision: Tensor) -> Tensor:
        x = (mean + self.certainty(precision.log())).flatten(0, -3)
        return (x + self.body(x)).unflatten(0, mean.shape[:-2])


class DirectedTranslators(Translator):
    r"""One network for each ordered pair; several sources are combined as a product of Gaussians.

    .. math:: \Lambda_t = \sum_{s \in A \setminus t} \lambda_{s \to t}, \qquad
              \mu_t = \Lambda_t^{-1} \sum_{s \in A \setminus t} \lambda_{s \to t}\, \mu_{s \to t}

    With three or more modalities the variances cannot all be right: every expert knows the prior, which the product
    counts as often as there are sources, so several are too sure where one alone is not sure enough.

    Args:
        names: the modalities.
        width: width of the latents.
        channels: of the autoencoders.
        blocks: of the autoencoders.
        kernel: of their convolutions; 1 for vectors.
    """

    def __init__(self, names: Sequence[str], width: int, channels: Sequence[int], blocks: int, kernel: int = 1) -> None:
        super().__init__()
        self.names = tuple(names)
        self.bodies = nn.ModuleDict(
            {self._key(*p): CascadedAutoencoder(width, channels, blocks, kernel) for p in permutations(names, 2)}
        )
        self.heads = nn.ModuleDict({self._key(*p): GaussianHead(width, width) for p in permutations(names, 2)})

    def _key(self, source: str, target: str) -> str:
        # Positions, since ModuleDict refuses some names.
        return f"{self.names.index(source)}-{self.names.index(target)}"

    def forward(self, latents: Mapping[str, Tensor], available: Mapping[str, Tensor]) -> dict[str, Gaussian]:
        """Precision-weighted products over the available sources; the standard normal where there is none."""
        found = {}
        for target, own in latents.items():
            sources = [name for name in latents if name != target]
            each = [self._pair(name, target, latents[name], own.shape[1]) for name in sources]
            there = torch.stack([available[name] for name in sources])[..., None, None]
            precision = torch.stack([-v for _, v in each]).exp() * there
            total = precision.sum(0) + ~there.any(0)
            mean = (precision * torch.stack([m for m, _ in each])).sum(0) / total
            found[target] = (mean, -total.log())
        return found

    def singly(self, latents: Mapping[str, Tensor], targets: Mapping[str, tuple[str, int]]) -> dict[str, Gaussian]:
        """Each pair's network."""
        return {s: self._pair(s, t, latents[s], length) for s, (t, length) in targets.items()}

    def _pair(self, source: str, target: str, latent: Tensor, length: int) -> Gaussian:
        key, x = self._key(source, target), resample(latent, length)
        return self.heads[key](x + self.bodies[key](x))


class SharedTranslators(Translator):
    """One cascaded residual autoencoder for each unordered pair, used in both directions; sources are added.

    The published form. The log-variance is zero: it says nothing about how sure it is.
    """

    def __init__(self, names: Sequence[str], width: int, channels: Sequence[int], blocks: int, kernel: int = 1) -> None:
        super().__init__()
        self.names = tuple(names)
        self.bodies = nn.ModuleDict(
            {self._key(*p): CascadedAutoencoder(width, channels, blocks, kernel) for p in combinations(names, 2)}
        )

    def _key(self, source: str, target: str) -> str:
        one, two = sorted((self.names.index(source), self.names.index(target)))
        return f"{one}-{two}"

    def forward(self, latents: Mapping[str, Tensor], available: Mapping[str, Tensor]) -> dict[str, Gaussian]:
        """Sums over the available sources; zero where there is none."""
        found = {}
        for target, own in latents.items():
            each = [
                self._pair(name, target, x, own.shape[1]) * available[name][:, None, None]
                for name, x in latents.items()
                if name != target
            ]
            total = torch.stack(each).sum(0)
            found[target] = (total, torch.zeros_like(total))
        return found

    def singly(self, latents: Mapping[str, Tensor], targets: Mapping[str, tuple[str, int]]) -> dict[str, Gaussian]:
        """Each pair's network."""
        found = {s: self._pair(s, t, latents[s], length) for s, (t, length) in targets.items()}
        return {source: (x, torch.zeros_like(x)) for source, x in found.items()}

    def _pair(self, source: str, target: str, latent: Tensor, length: int) -> Tensor:
        return self.bodies[self._key(source, target)](resample(latent, length))
