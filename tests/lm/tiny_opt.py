"""Tiny random OPT networks in folders of their own, with a byte-level tokenizer, and texts to read."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from modclaims.corpus import Corpus, Text

CONTEXT = 64
LAYERS, HEADS, WIDTH, MLP = 3, 4, 16, 40
STYLES = {
    "pre-norm": {"do_layer_norm_before": True, "word_embed_proj_dim": WIDTH},
    "post-norm": {"do_layer_norm_before": False, "word_embed_proj_dim": 12},  # as OPT-350m
}


def save_tokenizer(folder: Path, *, leading: bool = True, trailing: bool = False) -> int:
    """A tokenizer of single bytes that opens and closes each text with <s> where asked to; its vocabulary size."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: index for index, word in enumerate(["<s>", "<pad>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{'<s> ' * leading}$A{' <s>' * trailing}", special_tokens=[("<s>", 0)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>", pad_token="<pad>"
    ).save_pretrained(folder)
    return len(vocabulary)


def save_model(
    folder: Path, style: str = "pre-norm", seed: int = 0, *, weights: bool = True, **changes: object
) -> Path:
    """A random network of a style, with biases and norms unlike their initial values, and its tokenizer."""
    vocabulary = save_tokenizer(folder)
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": WIDTH,
        "ffn_dim": MLP,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": CONTEXT,
        "dropout": 0.1,  # must not matter: nothing is trained here
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    config = OPTConfig(**{**sizes, **STYLES[style], **changes})
    if not weights:
        config.save_pretrained(folder)
        return folder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = OPTForCausalLM(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


def texts(*lengths: int, name: str = "letters") -> Corpus:
    """A corpus whose texts have these numbers of tokens, <s> included, all different."""
    bodies = [
        "".join(chr(97 + (7 * i + k * (i + 3)) % 26) for k in range(length - 1)) for i, length in enumerate(lengths)
    ]
    return Corpus(name, tuple(Text(f"t{i}", body, {"category": "ab"[i % 2]}) for i, body in enumerate(bodies)))
