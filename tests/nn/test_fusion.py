"""Fusion heads against their formulas, written out for three modalities; and what each costs."""

import pytest
import torch
from torch.nn.functional import gelu

from interplay.nn.fusion import HEADS


@pytest.mark.parametrize("name", ["sum", "gated", "film", "lowrank"])
def test_heads_are_what_their_formulas_say(name: str) -> None:
    torch.manual_seed(0)
    widths, b = [3, 4, 5], 6
    head = HEADS[name](widths, 2, 7)
    z = [torch.randn(b, w) for w in widths]
    x = [gelu(part) for part in z]

    def mapped(maps, m: int) -> torch.Tensor:
        return x[m] @ maps[m].weight.T + maps[m].bias

    def others(maps, m: int) -> torch.Tensor:
        return sum(mapped(maps, n) for n in range(3) if n != m)

    values = [mapped(head.values, m) for m in range(3)]
    hidden = {
        "sum": lambda: sum(values),
        "gated": lambda: sum(others(head.gates, m).sigmoid() * values[m] for m in range(3)),
        "film": lambda: sum((1 + others(head.scales, m)) * values[m] + others(head.shifts, m) for m in range(3)),
        "lowrank": lambda: values[0] * values[1] * values[2],
    }[name]()
    torch.testing.assert_close(head(z), hidden @ head.output.weight.T + head.output.bias, rtol=1e-4, atol=1e-5)
    # Only a sum has no interaction: mixed differences over two modalities vanish.
    other = [torch.randn(b, w) for w in widths]
    change = head(z) - head([other[0], *z[1:]]) - head([z[0], other[1], z[2]]) + head([other[0], other[1], z[2]])
    assert (change.abs().max() < 1e-5) == (name == "sum")


@pytest.mark.parametrize("hidden", [0, 7])
def test_the_default_head_is_a_perceptron_on_the_concatenation(hidden: int) -> None:
    torch.manual_seed(0)
    widths = [3, 4, 5]
    head = HEADS["concat"](widths, 2, hidden)
    z = [torch.randn(6, w) for w in widths]
    maps = [layer for layer in head.layers if isinstance(layer, torch.nn.Linear)]
    assert len(maps) == (2 if hidden else 1)
    x = torch.cat(z, 1)
    for layer in maps:
        x = gelu(x) @ layer.weight.T + layer.bias
    torch.testing.assert_close(head(z), x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("m", [2, 3, 5])
def test_heads_cost_what_their_page_says(m: int) -> None:
    d, hidden, k = 4 * m, 7, 3
    output = k * (hidden + 1)
    expected = {
        "concat": hidden * (d + 1) + output,
        "sum": hidden * (d + m) + output,
        "gated": 2 * hidden * (d + m) + output,
        "film": 3 * hidden * (d + m) + output,
        "lowrank": hidden * (d + m) + output,
    }
    found = {name: sum(p.numel() for p in head([4] * m, k, hidden).parameters()) for name, head in HEADS.items()}
    assert found == expected
    assert sum(p.numel() for p in HEADS["concat"]([4] * m, k, 0).parameters()) == k * (d + 1)
