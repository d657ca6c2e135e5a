import pytest
import torch

from interplay.nn import ENCODERS, MaskedEncoder, Standardize, build_encoder, default_encoder, valid_steps

SHAPES = {"mlp": (6,), "conv": (9, 7), "transformer": (150, 3)}


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_width_and_gradients(name: str) -> None:
    encoder = build_encoder(name, SHAPES[name], width=16)
    out = encoder(torch.randn(5, *SHAPES[name]))
    assert out.shape == (5, encoder.out_features) == (5, 16)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


@pytest.mark.parametrize(("shape", "name"), [((), "mlp"), ((4,), "mlp"), ((9, 2), "transformer"), ((3, 8, 8), "conv")])
def test_default_follows_the_shape(shape: tuple[int, ...], name: str) -> None:
    assert default_encoder(shape) == name


def test_unknown_encoder_names_the_choices() -> None:
    with pytest.raises(ValueError, match="unknown encoder 'cnn'; choose one of 'mlp'"):
        build_encoder("cnn", (3,))


@pytest.mark.parametrize(("name", "shape"), [("conv", (3,)), ("transformer", (3,))])
def test_wrong_shape_names_the_alternative(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="use 'mlp' for vectors"):
        build_encoder(name, shape)


def test_transformer_ignores_padding() -> None:
    torch.manual_seed(0)
    encoder = build_encoder("transformer", (12, 3), width=16).eval()
    x = torch.randn(4, 12, 3)
    lengths = torch.tensor([12, 5, 1, 9])
    x[~valid_steps(x, torch.ones(4, dtype=torch.bool), lengths)] = 0
    padded = torch.cat([x, torch.zeros(4, 0, 3)], 1)
    together = encoder(padded, lengths)
    for i, steps in enumerate(lengths.tolist()):
        alone = encoder(x[i : i + 1, :], lengths[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=1e-4)
        # Later steps do not matter at all beyond one kernel's reach of zeros.
        assert steps <= 12


def test_transformer_result_depends_on_valid_steps_only() -> None:
    torch.manual_seed(0)
    module = MaskedEncoder(
        Standardize(torch.zeros(3), torch.ones(3)), build_encoder("transformer", (12, 3), width=16), "x"
    ).eval()
    x, present, lengths = torch.randn(4, 12, 3), torch.ones(4, dtype=torch.bool), torch.tensor([12, 5, 1, 9])
    other = x.clone()
    other[~valid_steps(x, present, lengths)] = 77
    torch.testing.assert_close(module(other, present, lengths), module(x, present, lengths))
    other[0, 0] = 77
    assert not torch.allclose(module(other, present, lengths)[0], module(x, present, lengths)[0])


def test_own_encoder_needs_a_width() -> None:
    with pytest.raises(ValueError, match="encoder of modality 'face' needs an integer attribute out_features"):
        MaskedEncoder(Standardize(torch.zeros(2), torch.ones(2)), torch.nn.ReLU(), "face")


class TestStandardize:
    def test_vectors_by_feature(self) -> None:
        x = torch.randn(500, 3) * torch.tensor([1.0, 10.0, 0.1]) + 5
        z = Standardize.fit(x, torch.ones(500, dtype=torch.bool))(x)
        torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
        torch.testing.assert_close(z.std(0, correction=0), torch.ones(3), atol=1e-4, rtol=0)

    def test_masked_rows_and_padding_do_not_count(self) -> None:
        x = torch.randn(50, 4, 2)
        lengths = torch.randint(1, 5, (50,))
        valid = valid_steps(x, torch.arange(50) < 40, lengths)
        one = Standardize.fit(x, valid)
        x[~valid] = 1e6
        torch.testing.assert_close(Standardize.fit(x, valid).mean, one.mean)
        torch.testing.assert_close(one.mean, x[valid].mean(0))

    def test_images_share_one_scale(self) -> None:
        scale = Standardize.fit(torch.randn(9, 8, 8), torch.ones(9, dtype=torch.bool), image=True)
        assert scale.mean.shape == ()

    def test_constant_feature_is_only_centred(self) -> None:
        x = torch.full((20, 1), 0.1)
        scale = Standardize.fit(x, torch.ones(20, dtype=torch.bool))
        assert scale.scale.item() == 1
        assert scale(x).abs().max() < 1e-6

    def test_no_row_at_all_leaves_values_alone(self) -> None:
        x = torch.randn(4, 3)
        torch.testing.assert_close(Standardize.fit(x, torch.zeros(4, dtype=torch.bool))(x), x)
