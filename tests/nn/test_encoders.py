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


@pytest.mark.parametrize("length", [9, 150])
def test_mean_of_the_tokens_is_the_encoding(length: int) -> None:
    """Over valid tokens; what lies in padding is zero."""
    shape = (length, 3)
    encoder = build_encoder("transformer", shape, width=16, dropout=0.0)
    module = MaskedEncoder(Standardize(torch.zeros(3), torch.ones(3)), encoder, "walk", shape)
    x, lengths = torch.randn(4, *shape), torch.tensor([1, 5, length - 1, length])
    present = torch.ones(4, dtype=torch.bool)
    tokens, steps = module.tokens(x, present, lengths)
    beyond = torch.arange(tokens.shape[1])[None] >= steps[:, None]
    assert (tokens[beyond] == 0).all()
    torch.testing.assert_close(tokens.sum(1) / steps[:, None], module(x, present, lengths))
    whole, count = module.tokens(x, present)
    torch.testing.assert_close(whole.mean(1), module(x, present))
    assert count.tolist() == [tokens.shape[1]] * 4


def test_an_encoder_without_tokens_gives_one() -> None:
    module = MaskedEncoder(
        Standardize(torch.zeros(6), torch.ones(6)), build_encoder("mlp", (6,), dropout=0.0), "blood", (6,)
    )
    x, present = torch.randn(3, 6), torch.ones(3, dtype=torch.bool)
    tokens, steps = module.tokens(x, present)
    torch.testing.assert_close(tokens[:, 0], module(x, present))
    assert tokens.shape[1] == 1
    assert steps.tolist() == [1, 1, 1]
    assert module.n_features == 6
    image = Standardize(torch.zeros(()), torch.ones(()))
    assert MaskedEncoder(image, build_encoder("conv", (9, 7)), "scan", (9, 7)).n_features is None


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
