"""Encoders by Hugging Face id: tiny networks in a folder stand for those of the hub."""

import json

import numpy as np
import pytest
import torch

from interplay import MultimodalClassifier, MultimodalDataset
from interplay.data import tokenize
from interplay.training import to_batch

transformers = pytest.importorskip("transformers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "very", "not", "plot"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Folders as the hub has them: a text model with its tokenizer, two image models."""
    folder = tmp_path_factory.mktemp("hub")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    bert = transformers.BertModel(transformers.BertConfig(vocab_size=len(WORDS), **small, max_position_embeddings=32))
    vit = transformers.ViTModel(transformers.ViTConfig(**small, image_size=8, patch_size=4))
    resnet = transformers.ResNetModel(
        transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    )
    for name, network in {"bert": bert, "vit": vit, "resnet": resnet}.items():
        network.save_pretrained(folder / name)
    fast.save_pretrained(folder / "bert")
    (folder / "resnet" / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_mean": [0.4, 0.5, 0.6],
                "image_std": [0.2, 0.3, 0.4],
                "image_processor_type": "ConvNextImageProcessor",
            }
        )
    )
    return folder


@pytest.fixture(scope="module")
def data(hub):
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    texts = [("not bad", "very good film")[k] if rng.random() > 0.2 else None for k in y]
    tokens, lengths = tokenize(texts, str(hub / "bert"), max_length=6)
    pixels = rng.integers(0, 100, (80, 3, 8, 8)) + 80 * y[:, None, None, None]
    seen = rng.random(80) > 0.2
    return MultimodalDataset({"text": tokens, "image": pixels}, y, present={"image": seen}, lengths={"text": lengths})


@pytest.fixture(scope="module")
def model(hub, data):
    encoders = {"text": f"hf:{hub / 'bert'}", "image": f"hf:{hub / 'vit'}"}
    state = torch.random.get_rng_state()
    fitted = MultimodalClassifier("dmil", encoders=encoders, max_epochs=6, width=8, random_state=0).fit(data)
    assert torch.equal(torch.random.get_rng_state(), state)
    return fitted


def test_tokens_are_padded_and_none_is_absent(hub):
    tokens, lengths = tokenize(["good film", None, "a very very very bad plot"], f"hf:{hub / 'bert'}", max_length=5)
    assert tokens[..., 0].tolist() == [[2, 4, 6, 3, 0], [0] * 5, [2, 1, 7, 7, 3]]
    assert lengths.tolist() == [4, 0, 5]
    with pytest.raises(ValueError, match=r"found 3 in row 1"):
        tokenize(["good", 3], f"hf:{hub / 'bert'}")


def test_features_are_the_networks_own(model, data, hub):
    """Mean of the last hidden states, one sample at a time, without padding or batching."""
    bert = transformers.BertModel.from_pretrained(hub / "bert").eval()
    vit = transformers.ViTModel.from_pretrained(hub / "vit").eval()
    from interplay.estimators.pretrained import featurise

    found = featurise(to_batch(data), model.pretrained_, torch.device("cpu")).modalities
    for row in range(12):
        length = data.lengths["text"][row]
        if length:
            tokens = torch.from_numpy(data.modalities["text"][row, :length, 0])[None]
            expected = bert(tokens).last_hidden_state.mean(1)[0]
            torch.testing.assert_close(found["text"][row], expected.detach(), atol=1e-5, rtol=1e-5)
        else:
            assert not found["text"][row].any()
        if data.present["image"][row]:
            pixels = torch.from_numpy(data.modalities["image"][row]).float()[None] / 255
            expected = vit(pixel_values=(pixels - 0.5) / 0.5).last_hidden_state.mean(1)[0]
            torch.testing.assert_close(found["image"][row], expected.detach(), atol=1e-5, rtol=1e-5)


def test_the_network_learns_from_them_and_they_stay_frozen(model, data, hub):
    assert model.score(data) > 0.85
    stored = transformers.BertModel.from_pretrained(hub / "bert").state_dict()
    for name, tensor in model.pretrained_["text"].network.state_dict().items():
        assert torch.equal(tensor, stored[name])


def test_features_are_computed_once(hub, data, monkeypatch):
    from interplay.nn.pretrained import TextBackbone

    rows = []
    forward = TextBackbone.forward
    monkeypatch.setattr(TextBackbone, "forward", lambda s, x, n=None: rows.append(len(x)) or forward(s, x, n))
    MultimodalClassifier("joint", encoders={"text": f"hf:{hub / 'bert'}"}, max_epochs=5, width=8).fit(data)
    assert sum(rows) == data.present["text"].sum()


def test_saved_models_need_neither_hub_nor_folder(model, data, tmp_path, monkeypatch):
    model.save(tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]
    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", None)
    loaded = MultimodalClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(data), model.predict_proba(data))
    loaded.save(tmp_path / "again")
    one, two = ((tmp_path / name / "config.json").read_text() for name in ("model", "again"))
    assert one == two


def test_padding_and_masked_values_change_nothing(model, data):
    values = {name: x.copy() for name, x in data.modalities.items()}
    values["text"][np.arange(6)[None] >= data.lengths["text"][:, None]] = 9
    values["image"][~data.present["image"]] = 200
    dirty = MultimodalDataset(values, present=data.present, lengths=data.lengths)
    np.testing.assert_array_equal(model.predict_proba(dirty), model.predict_proba(data))


@pytest.mark.parametrize("method", ["unimodal", pytest.param("dmil", marks=pytest.mark.bench)])  # 23 processor seconds
def test_the_graph_holds_the_networks(method, hub, data, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    encoders = {"text": f"hf:{hub / 'bert'}", "image": f"hf:{hub / 'resnet'}"}
    model = MultimodalClassifier(method, encoders=encoders, max_epochs=1, width=8, random_state=0).fit(data)
    model.export(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    feed = {name: data.modalities[name].astype(np.float32) for name in data.names}
    feed |= {f"present.{name}": data.present[name] for name in data.names} | {"lengths.text": data.lengths["text"]}
    feed["image"][~data.present["image"]] = np.nan
    np.testing.assert_allclose(session.run(None, feed)[0], model.predict_proba(data), atol=1e-5)


def test_images_are_scaled_as_the_network_was_trained(hub, data):
    model = MultimodalClassifier("joint", encoders={"image": f"hf:{hub / 'resnet'}"}, max_epochs=1, width=8).fit(data)
    backbone = model.pretrained_["image"]
    assert (backbone.mean.flatten().tolist(), backbone.size) == (pytest.approx([0.4, 0.5, 0.6]), None)
    resnet = transformers.ResNetModel.from_pretrained(hub / "resnet").eval()
    pixels = torch.from_numpy(data.modalities["image"][:2]).float()
    with torch.no_grad():
        expected = resnet(pixel_values=(pixels / 255 - backbone.mean) / backbone.std).pooler_output.flatten(1)
        torch.testing.assert_close(backbone(pixels), expected)
        grey = pixels[:, 0]
        torch.testing.assert_close(backbone(grey), backbone(grey[:, None].expand(-1, 3, -1, -1)))


def test_imputation_is_of_features(hub, data):
    encoders = {"text": f"hf:{hub / 'bert'}"}
    model = MultimodalClassifier("cyin", encoders=encoders, max_epochs=2, width=8, random_state=0).fit(data)
    assert model.impute(data, n_draws=2).features["text"].shape == (80, 16)


@pytest.mark.parametrize(
    ("modality", "choice", "message"),
    [
        ("text", "hf:{}/nowhere", "modality 'text': no Hugging Face model '.*nowhere' could be loaded"),
        ("image", "hf:{}/bert", "modality 'image': .* takes input_ids, found samples of shape"),
        ("text", "hf:{}/vit", "modality 'text': .* takes pixel_values"),
    ],
)
def test_mistakes_are_named(hub, data, modality, choice, message):
    with pytest.raises(ValueError, match=message):
        MultimodalClassifier("joint", encoders={modality: choice.format(hub)}, max_epochs=1).fit(data)
    tokens = data.modalities["text"] + 100
    other = MultimodalDataset({"text": tokens, "image": data.modalities["image"]}, data.target)
    with pytest.raises(ValueError, match=r"expected token numbers from 0 to 9"):
        MultimodalClassifier("joint", encoders={"text": f"hf:{hub / 'bert'}"}, max_epochs=1).fit(other)


def test_pickled_weights_are_refused(hub, data, tmp_path):
    (tmp_path / "config.json").write_text((hub / "bert" / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"what pickle would read")
    with pytest.raises(ValueError, match=r"could be loaded"):
        MultimodalClassifier("joint", encoders={"text": f"hf:{tmp_path}"}, max_epochs=1).fit(data)
