"""Loss weights of DMIL's presets, by stage."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Weights:
    """Weights of one stage's loss terms; pairs are (first modality, every other modality).

    Attributes:
        fused: cross-entropy of the mixture.
        heads: cross-entropy of each modality's own prediction.
        components: cross-entropy of each part (in the supervised preset without synergy).
        single: cross-entropy of what each modality alone says of a shared part, mean of its modalities.
        synergy: cross-entropy of synergy where the sample is synergistic, blindness elsewhere.
        gate: cross-entropy of the gate against the sample's composition.
        kl: divergence of the intra-modality posteriors from their priors.
        reconstruction: squared error of the intra-modality decoders.
        consistency_kl: divergences of redundancy and unique parts from their priors.
        alignment: divergence of redundancy from what each modality alone predicts of it.
        consistency_reconstruction: squared error of the consistency decoders.
    """

    fused: float = 0.0
    heads: float = 0.0
    components: float = 0.0
    single: float = 0.0
    synergy: float = 0.0
    gate: float = 0.0
    kl: tuple[float, float] = (0.0, 0.0)
    reconstruction: tuple[float, float] = (0.0, 0.0)
    consistency_kl: float = 0.0
    alignment: float = 0.0
    consistency_reconstruction: float = 0.0

    def scaled(self, bottleneck: float) -> "Weights":
        """The same with all variational, alignment and reconstruction weights multiplied."""
        return replace(
            self,
            kl=(self.kl[0] * bottleneck, self.kl[1] * bottleneck),
            reconstruction=(self.reconstruction[0] * bottleneck, self.reconstruction[1] * bottleneck),
            consistency_kl=self.consistency_kl * bottleneck,
            alignment=self.alignment * bottleneck,
            consistency_reconstruction=self.consistency_reconstruction * bottleneck,
        )


# The released code, latest state, with all its factors multiplied out.
_PUBLISHED = {
    "intra": Weights(heads=1.0, kl=(0.008, 0.04), reconstruction=(0.002, 0.01)),
    "consistency": Weights(
        fused=1.0, components=0.5, consistency_kl=0.02, alignment=0.02, consistency_reconstruction=0.005
    ),
    "joint": Weights(
        fused=1.0,
        heads=0.5,
        components=0.8,
        kl=(0.02, 0.02),
        reconstruction=(0.003, 0.003),
        consistency_kl=0.008,
        alignment=0.008,
        consistency_reconstruction=0.001,
    ),
}
# Symmetric in the modalities, otherwise the same trade-offs.
_CORRECTED = {**_PUBLISHED, "intra": Weights(heads=1.0, kl=(0.008, 0.008), reconstruction=(0.01, 0.01))}
_FIRST = Weights(heads=1.0, synergy=1.0, kl=(0.001, 0.001), reconstruction=(0.01, 0.01))
_SECOND = Weights(
    fused=1.0,
    components=1.0,
    single=1.0,
    synergy=1.0,
    gate=1.0,
    consistency_kl=0.001,
    alignment=0.01,
    consistency_reconstruction=0.01,
)
_SUPERVISED = {
    "intra": _FIRST,
    "consistency": _SECOND,
    "joint": replace(_SECOND, heads=1.0, kl=_FIRST.kl, reconstruction=_FIRST.reconstruction),
}


def paper_weights(alpha: float, beta: float, gamma: float) -> dict[str, Weights]:
    """The paper's form: L1; L2 = components + variational + alpha alignment; L3 = fused + beta L1 + gamma L2."""
    return {
        "intra": Weights(heads=1.0, kl=(1.0, 1.0), reconstruction=(1.0, 1.0)),
        "consistency": Weights(components=1.0, consistency_kl=1.0, alignment=alpha, consistency_reconstruction=1.0),
        "joint": Weights(
            fused=1.0,
            heads=beta,
            components=gamma,
            kl=(beta, beta),
            reconstruction=(beta, beta),
            consistency_kl=gamma,
            alignment=gamma * alpha,
            consistency_reconstruction=gamma,
        ),
    }


def weights(preset: str, stage: str, alpha: float, beta: float, gamma: float, bottleneck: float) -> Weights:
    """Weights of a preset in a stage."""
    tables = {
        "supervised": _SUPERVISED,
        "corrected": _CORRECTED,
        "published": _PUBLISHED,
        "paper": paper_weights(alpha, beta, gamma),
    }
    return tables[preset][stage].scaled(bottleneck)


PRESETS = ("supervised", "corrected", "published", "paper")
