"""Networks of one model: loaded from its checkpoint, made afresh, or with their learning taken out."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError

from modclaims.errors import ModelError
from modclaims.lm import attention
from modclaims.lm.anatomy import Anatomy
from modclaims.lm.model_files import ModelFiles, brief, quiet
from modclaims.lm.network import Network
from modclaims.lm.scrambling import scramble
from modclaims.lm.untyped import Untyped
from modclaims.lm.variants import Variant
from modclaims.recording import ModelShape

_LOADING_FAULTS = (
    *(OSError, RuntimeError, ValueError, KeyError, TypeError, ImportError),
    *(SafetensorError, pickle.UnpicklingError),
)


@dataclass(frozen=True)
class NetworkLoader:
    """Makes the networks of one model, its own and those of variants; keeps none."""

    files: ModelFiles
    anatomy: Anatomy
    text_config: Any  # see `Description.config`
    """The part of the configuration that describes the trunk."""
    shape: ModelShape

    def load(self, variant: Variant | None, head: bool) -> Network:
        """The network of a variant (None: as the weights are), with its language-model head if asked for.

        Raises `ModelError` for weights that do not load.
        """
        attention.register()
        lm_head: torch.nn.Module | None
        with quiet():
            try:
                if variant is not None and variant.kind == "untrained":
                    trunk, lm_head = self._untrained(variant.seed)
                else:
                    trunk, lm_head = self._trained(head)
            except _LOADING_FAULTS as fault:
                raise ModelError(
                    f"The weights of model {self.files.checkpoint.origin!r} cannot be loaded: {brief(fault)}"
                ) from fault
        trunk.eval().requires_grad_(False)
        if lm_head is not None:
            lm_head.eval().requires_grad_(False)
        cap = getattr(self.text_config, self.anatomy.logit_cap, None) if self.anatomy.logit_cap else None
        network = Network(trunk, self.anatomy, self.shape, lm_head if head else None, cap)
        if variant is not None and variant.kind != "untrained":
            scramble(network, variant)
        return network

    def parameters(self) -> int | None:
        """How many distinct numbers trunk and head learn, from a network that is laid out without any numbers; None where
        the model's own code does not stand that."""
        causal = self.shape.causal
        try:
            with quiet(), torch.random.fork_rng(devices=[]), torch.device("meta"):
                trunk, head = self._parts(self._fresh(causal), causal)
        except (
            *_LOADING_FAULTS,
            NotImplementedError,  # torch, of a product without numbers: some own code computes while it is made
        ):
            return None
        learned = [*trunk.parameters(), *(head.parameters() if head is not None else ())]
        return sum({id(one): int(one.numel()) for one in learned}.values())

    def _trained(self, head: bool) -> tuple[torch.nn.Module, torch.nn.Module | None]:
        import transformers

        checkpoint, placement = self.files.checkpoint, self.files.placement
        loader: Untyped = transformers.AutoModelForCausalLM if head else transformers.AutoModel
        model, report = loader.from_pretrained(
            checkpoint.folder,
            config=copy.deepcopy(self.files.description.config),
            dtype=getattr(torch, placement.dtype),
            attn_implementation=attention.NAME,
            use_safetensors=checkpoint.safetensors,
            device_map=placement.device_map,
            trust_remote_code=placement.trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
            **({} if head else self.anatomy.options),
        )
        if missing := sorted(report["missing_keys"]):
            raise ValueError(f"{_first(missing)} not among them, so parts of the network would be left to chance.")
        if placement.device_map is None:
            model.to(placement.device)
        return self._parts(model, head)

    def _parts(self, model: Untyped, head: bool) -> tuple[torch.nn.Module, torch.nn.Module | None]:
        """The trunk, and the language-model head if the model was loaded with it."""
        base = model.base_model if head else model
        trunk = base.get_submodule(self.anatomy.trunk) if self.anatomy.trunk else base
        if not head:
            return trunk, None
        return trunk, model.get_submodule(self.anatomy.head) if self.anatomy.head else model.get_output_embeddings()

    def _untrained(self, seed: int) -> tuple[torch.nn.Module, torch.nn.Module | None]:
        """Fresh weights, drawn on the CPU in float32 and with the head of a causal model whether it is asked for or not,
        so that they are the same however they are used.

        A device map is for weights that are read; these are put on one device.
        """
        head, placement = self.shape.causal, self.files.placement
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = self._fresh(head)
        model.to(placement.device, getattr(torch, placement.dtype))
        return self._parts(model, head)

    def _fresh(self, head: bool) -> Untyped:
        """The whole model as its configuration makes it."""
        import transformers

        attention.register()
        loader: Untyped = transformers.AutoModelForCausalLM if head else transformers.AutoModel
        return loader.from_config(
            copy.deepcopy(self.files.description.config),
            dtype=torch.float32,
            attn_implementation=attention.NAME,
            trust_remote_code=self.files.placement.trust_remote_code,
            **({} if head else self.anatomy.options),
        )


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (
        f" and {len(names) - 3} more are" if len(names) > 3 else " is" if len(names) == 1 else " are"
    )
