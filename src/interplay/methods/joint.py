"""Joint learning: one head on the embeddings of all modalities."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from interplay.methods._base import ANY_TASK, Method, SearchSpace, Stage
from interplay.methods._limits import FRACTION, Limits, Range
from interplay.methods._values import Batch, Loss, Output, any_present
from interplay.nn import ByName
from interplay.nn.fusion import HEADS


class Joint(Method):
    r"""Fuse the embeddings and classify them with one head.

    .. math:: \text{logits} = h(z_1, \dots, z_M), \qquad L = \mathrm{CE}(\text{logits}, y)

    with :math:`h` by default a perceptron of one hidden layer on the concatenation. (A linear :math:`h`, ``hidden=0``
    or ``fusion="sum"``, is what much of the literature calls joint learning; it is a sum of one function a modality and
    so cannot represent XOR: at best three of its four cells are right.)

    The other heads map each modality, :math:`x_m = \mathrm{GELU}(z_m)`, :math:`v_m = V_m x_m`, every map with a bias,
    and their logits are :math:`W h`:

    .. math:: h_{\text{sum}} = \sum_m v_m, \quad
              h_{\text{gated}} = \sum_m \sigma\Big(\sum_{n \ne m} U_n x_n\Big) \odot v_m, \quad
              h_{\text{lowrank}} = v_1 \odot \dots \odot v_M

    .. math:: h_{\text{film}} = \sum_m \Big[\Big(1 + \sum_{n \ne m} G_n x_n\Big) \odot v_m
              + \sum_{n \ne m} B_n x_n\Big]

    A modality that is absent is replaced by the training mean of its features before its encoder (mean filling), or by
    a zero embedding behind it (zero filling); rows with nothing present get the class prior. It sees every kind of
    interaction, but the faster modality can keep the slower one from being learned.

    Args:
        fusion: ``"concat"``, ``"sum"``, ``"gated"`` (the others gate each modality), ``"film"`` (the others scale and
            shift each modality) or ``"lowrank"`` (product of linear maps).
        hidden: width of the head's hidden layer; 0, with ``"concat"`` only, for a linear head.
        dropout: dropout inside the head.
        fill: what stands for an absent modality: ``"mean"`` (the encoding of its training mean) or ``"zero"``.

    Reference:
        Gated, after Kiela et al., Efficient Large-Scale Multi-Modal Classification, AAAI 2018. FiLM, after Perez et
        al., FiLM: Visual Reasoning with a General Conditioning Layer, AAAI 2018. Low-rank, after Liu et al., Efficient
        Low-rank Multimodal Fusion with Modality-Specific Factors, ACL 2018.
    """

    tasks = ANY_TASK
    min_modalities = 1

    limits: ClassVar[Limits] = {
        "fusion": tuple(HEADS), "hidden": Range(0, whole=True), "dropout": FRACTION, "fill": ("mean", "zero"),
    }  # fmt: skip
    search_space: ClassVar[SearchSpace] = {"hidden": [32, 64, 128]}

    def __init__(self, fusion: str = "concat", hidden: int = 64, dropout: float = 0.0, fill: str = "mean") -> None:
        super().__init__()
        self.fusion = fusion
        self.hidden = hidden
        self.dropout = dropout
        self.fill = fill

    def check(self, names: tuple[str, ...], task: str) -> None:
        """As the base, and only one head can do without a hidden layer."""
        super().check(names, task)
        if self.hidden < 1 and self.fusion != "concat":
            title = type(self).__name__
            raise ValueError(
                f"{title}: hidden must be an integer >= 1 with fusion={self.fusion!r}, found {self.hidden}"
            )

    def build_parts(self, widths: Mapping[str, int], n_classes: int) -> None:
        """Create the head."""
        self.head = HEADS[self.fusion](list(widths.values()), n_classes, self.hidden, self.dropout)

    def forward(self, batch: Batch) -> Output:
        """Fused logits."""
        return self.fuse(self.encode(batch), batch)

    def encode(self, batch: Batch, encoders: ByName | None = None) -> dict[str, Tensor]:
        """Embeddings by modality; those of an absent one as ``fill`` says."""
        z = super().encode(batch, encoders)
        return {name: x * batch.present[name][:, None] for name, x in z.items()} if self.fill == "zero" else z

    def fuse(self, z: Mapping[str, Tensor], batch: Batch) -> Output:
        """Output from embeddings by modality."""
        logits = self.with_prior(self.head(list(z.values())), any_present(batch))
        return Output(logits, latents={"z": z})

    def loss(self, output: Output, batch: Batch, stage: Stage) -> Loss:
        """Cross-entropy (regression: its loss) of the fused logits."""
        total = self.target_loss(output.logits, batch.target)
        return Loss(total, {"fused": total})
