"""What weights are stored in, networks run in, and recordings are kept in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm.tiny_architectures import TINY, save
from lm.tiny_opt import save_tokenizer, texts
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from modclaims.errors import ModelError, UsageError
from modclaims.lm import model_files
from modclaims.lm.checkpoint import find_checkpoint
from modclaims.lm.model import load_model
from modclaims.lm.store import RecordingStore
from modclaims.recording import SITES, Ablation, Activations, Loss, Positions, Weights
from modclaims.stats.effects.similarity import text_similarity

RUN: dict[str, Any] = {"tokens": 24, "positions": Positions("5,17,23")}
HALF = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
"""Names, and half a unit in the last place of numbers around 1."""
NAMES = ("gpt2", "gemma2", "bert", "llama grouped, tied")


def halve(folder: Path, dtype: str) -> Path:
    """Store the weights of a folder in half precision, and say so in its configuration."""
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: weight.to(getattr(torch, dtype)) for name, weight in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = AutoConfig.from_pretrained(folder)
    config.dtype = getattr(torch, dtype)
    config.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=[(name, dtype) for name in NAMES for dtype in HALF], ids=" ".join)
def halved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    name, dtype = request.param
    return halve(save(tmp_path_factory.mktemp("half"), name), dtype), name, dtype


def test_half_precision_weights_run_in_their_dtype_where_that_is_asked_for(halved: tuple[Path, str, str]) -> None:
    folder, _, dtype = halved
    model = load_model(str(folder), device="cpu", dtype="stored")
    assert (model.shape.provenance["dtype"], model.shape.provenance["stored_dtype"]) == (dtype, dtype)
    for variant in (None, "untrained:0", "gaussian:0"):
        recording = model.record(texts(24), [Activations("attn_out", variant=variant)], **RUN)
        assert recording.array(Activations("attn_out", variant=variant)).dtype == np.float32
    assert {weight.dtype for weight in model.network().trunk.parameters()} == {getattr(torch, dtype)}


def test_half_precision_gives_what_transformers_gives_in_that_dtype(halved: tuple[Path, str, str]) -> None:
    """To the bit where sdpa attends in both; eager attention rounds elsewhere."""
    folder, name, dtype = halved
    implementation = "eager" if name == "gemma2" else "sdpa"
    options = {"add_pooling_layer": False} if name == "bert" else {}
    bare = AutoModel.from_pretrained(folder, dtype="auto", attn_implementation=implementation, **options).eval()
    ids = torch.arange(2, 26).view(1, 24)
    ours = load_model(str(folder), device="cpu", dtype="stored").network().trunk
    with torch.inference_mode():
        found, expected = (run(ids, use_cache=False).last_hidden_state for run in (ours, bare))
    assert found.dtype == expected.dtype == getattr(torch, dtype)
    assert torch.equal(found, expected) or name == "gemma2"
    torch.testing.assert_close(found, expected, rtol=0, atol=20 * HALF[dtype] * float(expected.abs().max()))


def test_half_precision_is_near_the_exact_numbers(halved: tuple[Path, str, str]) -> None:
    folder, _, dtype = halved
    requests = [Activations(site) for site in SITES]
    near, exact = (
        load_model(str(folder), dtype=name, device="cpu").record(texts(24, 24), requests, **RUN)
        for name in ("stored", "float64")
    )
    for request in requests:
        found, expected = near.array(request, 0), exact.array(request, 0)
        assert expected.dtype == np.float64
        scale = np.sqrt(np.mean(expected**2))
        apart = np.sqrt(np.mean((found - expected) ** 2))
        assert apart < 10 * HALF[dtype] * scale
        assert apart > 0 or request.site in ("embed", "resid_pre"), (
            "before the first layer nothing may have been rounded"
        )


def test_half_precision_does_not_depend_on_the_batch_at_all(halved: tuple[Path, str, str]) -> None:
    folder, name, _ = halved
    requests: list[Any] = [Activations(site) for site in SITES]
    if not TINY[name].encoder:
        requests.append(Loss())
    corpus = texts(24, 24, 24, 30, 24)
    one, eight = (
        load_model(str(folder), device="cpu", dtype="stored", batch_size=size).record(corpus, requests, **RUN)
        for size in (1, 8)
    )
    alone = load_model(str(folder), device="cpu", dtype="stored").record(corpus.select([3]), requests, **RUN)
    for request in requests:
        np.testing.assert_array_equal(one.array(request, 0), eight.array(request, 0))
        np.testing.assert_array_equal(one.array(request, 0)[3:4], alone.array(request, 0))


def test_similarities_of_half_precision_recordings_are_made_in_float64(halved: tuple[Path, str, str]) -> None:
    folder, _, _ = halved
    model = load_model(str(folder), device="cpu", dtype="stored")
    recording = model.record(texts(24, 24, 24), [Activations("attn_out")], **RUN)
    kept = recording.array(Activations("attn_out"), 1)
    for kind in ("cosine", "magnitude_aware", "euclidean"):
        found = text_similarity(kept, kind).values
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, text_similarity(kept.astype(np.float64), kind).values)


def test_a_dtype_that_is_asked_for_wins(tmp_path: Path) -> None:
    folder = halve(save(tmp_path, "gpt2"), "float16")
    model = load_model(str(folder), device="cpu", dtype="float32", batch_size=3)
    assert (model.shape.provenance["dtype"], model.batch_size) == ("float32", 3)
    assert load_model(str(folder), device="cpu", dtype="stored", batch_size=3).batch_size == 1
    assert load_model(str(folder), device="cpu", dtype="bfloat16").shape.provenance["stored_dtype"] == "float16"
    with pytest.raises(UsageError, match=r"--dtype 'half' is unknown; choose one of stored, float32, float64"):
        load_model(str(folder), dtype="half")


def test_on_a_processor_half_precision_weights_run_in_float32_as_a_float32_copy_of_them_does(
    halved: tuple[Path, str, str], tmp_path: Path
) -> None:
    """To the bit, ablations and scrambled variants too; untrained weights are drawn in float32 and stay so."""
    folder, name, dtype = halved
    copy = halve(shutil.copytree(folder, tmp_path / "copy"), "float32")
    variants = (None, "untrained:0", "gaussian:0", "permuted:1")
    requests: list[Any] = [Activations(site, variant=variant) for site in SITES for variant in variants]
    requests += [Weights("mlp_in")] if name == "gpt2" else []
    requests += [] if TINY[name].encoder else [Loss(), Loss(ablation=Ablation("head", ((0, 0), (1, 1))))]
    models = [load_model(str(one), device="cpu", batch_size=3) for one in (folder, copy)]
    assert [model.batch_size for model in models] == [3, 3]
    assert [model.shape.provenance["dtype"] for model in models] == ["float32", "float32"]
    assert [model.shape.provenance["stored_dtype"] for model in models] == [dtype, "float32"]
    upcast, plain = (model.record(texts(24, 24, 24, 24), requests, **RUN) for model in models)
    for request in requests:
        for layer in request.layers_in(models[0].shape):
            np.testing.assert_array_equal(upcast.array(request, layer), plain.array(request, layer))


def test_what_was_recorded_in_float32_by_request_is_served_where_it_is_the_default(tmp_path: Path) -> None:
    folder, store = halve(save(tmp_path / "m", "gpt2"), "float16"), RecordingStore(tmp_path / "store")
    models = [load_model(str(folder), device="cpu", dtype=dtype, store=store) for dtype in ("float32", None, "stored")]
    made = [model.record(texts(24), [Activations("attn_out")], **RUN).passes for model in models]
    assert made == [1, 0, 1]


@pytest.mark.parametrize(
    ("device", "asked", "computed"),
    [
        *[("cpu", None, "float32"), ("cpu", "stored", "bfloat16"), ("cpu", "float16", "float16")],
        *[("cuda", None, "bfloat16"), ("cuda:1", None, "bfloat16"), ("cuda", "float32", "float32")],
    ],
)
def test_only_a_processor_takes_half_precision_for_float32(
    device: str, asked: str | None, computed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_files, "_device", lambda name: name)
    folder = halve(save(tmp_path, "gpt2"), "bfloat16")
    found = model_files.find_model(str(folder), RecordingStore.temporary(), dtype=asked, device=device).placement
    assert (found.dtype, found.stored_dtype, found.where) == (computed, "bfloat16", device[:4].partition(":")[0])
    assert found.halved == (computed != "float32")


def test_float64_weights_stay_what_they_are(tmp_path: Path) -> None:
    folder = halve(save(tmp_path, "gpt2"), "float64")
    assert load_model(str(folder), device="cpu").shape.provenance["dtype"] == "float64"


def test_weights_tell_what_they_are_stored_in_whatever_the_configuration_says(tmp_path: Path) -> None:
    folder = save(tmp_path, "gpt2")
    weights = load_file(folder / "model.safetensors")
    few = {name: weight.bfloat16() if weight.ndim == 1 else weight for name, weight in weights.items()}
    save_file(few, folder / "model.safetensors", metadata={"format": "pt"})
    config = AutoConfig.from_pretrained(folder)
    config.dtype = torch.float16
    config.save_pretrained(folder)
    assert find_checkpoint(str(folder)).dtype == "float32"
    shape = load_model(str(folder)).shape
    assert (shape.provenance["dtype"], shape.provenance["stored_dtype"]) == ("float32", "float32")


def test_weights_in_several_files_are_weighed_together(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(save(tmp_path / "whole", "llama"), dtype=torch.bfloat16)
    model.save_pretrained(tmp_path, max_shard_size="10KB")
    found = find_checkpoint(str(tmp_path))
    assert len(found.weights) > 2
    assert found.dtype == "bfloat16"
    requests = [Activations("mlp_act"), Loss()]
    sharded = load_model(str(tmp_path), device="cpu", dtype="stored").record(texts(24), requests, **RUN)
    whole = load_model(str(tmp_path / "whole"), device="cpu", dtype="bfloat16").record(texts(24), requests, **RUN)
    for request in requests:
        np.testing.assert_array_equal(sharded.array(request, 0), whole.array(request, 0))


@pytest.mark.parametrize("name", ["gpt2", "bert", "gemma3_text"])
def test_pickled_half_precision_weights_run_in_what_their_configuration_says(name: str, tmp_path: Path) -> None:
    folder = halve(save(tmp_path / "m", name), "float16")
    safe = load_model(str(folder), device="cpu", dtype="stored").record(texts(24), [Activations("attn_out")], **RUN)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="--allow-bin"):
        load_model(str(folder))
    upcast = load_model(str(folder), device="cpu", allow_bin=True).shape.provenance
    assert (upcast["dtype"], upcast["stored_dtype"]) == ("float32", "float16")
    model = load_model(str(folder), device="cpu", dtype="stored", allow_bin=True, store=RecordingStore.temporary())
    assert model.shape.provenance["dtype"] == "float16"
    pickled = model.record(texts(24), [Activations("attn_out")], **RUN)
    np.testing.assert_array_equal(pickled.array(Activations("attn_out")), safe.array(Activations("attn_out")))


def test_pickled_weights_without_a_word_about_their_dtype_run_in_float32(tmp_path: Path) -> None:
    folder = save(tmp_path, "gpt2")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    config = AutoConfig.from_pretrained(folder)
    config.dtype = None
    config.save_pretrained(folder)
    shape = load_model(str(folder), allow_bin=True).shape
    assert shape.provenance["dtype"] == "float32"
    assert "stored_dtype" not in shape.provenance, "nobody knows before they are read"


def test_weights_that_nothing_computes_in_ask_for_a_dtype(tmp_path: Path) -> None:
    folder = halve(save(tmp_path, "gpt2"), "float8_e4m3fn")
    with pytest.raises(ModelError, match=r"stored as F8_E4M3.*--dtype float32, float64, bfloat16, float16"):
        load_model(str(folder))
    model = load_model(str(folder), dtype="float32", device="cpu")
    assert model.shape.provenance["stored_dtype"] == "F8_E4M3"
    recording = model.record(texts(24), [Activations("attn_out")], **RUN)
    assert np.isfinite(recording.array(Activations("attn_out"))).all()


def test_quantised_models_are_refused_with_the_reason(tmp_path: Path) -> None:
    folder = save(tmp_path, "llama")
    config = AutoConfig.from_pretrained(folder)
    config.quantization_config = {"quant_method": "gptq", "bits": 4}
    config.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"is quantised \(gptq\), and its matrices cannot be read"):
        load_model(str(folder))


def test_half_precision_that_overflows_is_told_how_to_go_on(tmp_path: Path) -> None:
    folder = save(tmp_path, "gpt2")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("h.1.mlp.c_proj.weight"))
    weights[name] = 6e4 * torch.sign(weights[name])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    halve(folder, "float16")
    with pytest.raises(ModelError, match=r"not finite for mlp_out of layer 1.*run in float16, try --dtype float32"):
        load_model(str(folder), device="cpu", dtype="stored").record(texts(24), [Activations("mlp_out")], **RUN)
    load_model(str(folder), device="cpu").record(texts(24), [Activations("mlp_out")], **RUN)
