"""A text encoder whose top layers are to learn: the states of texts below these are computed once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.functional import normalize

from ptebench.encoders import TOKENS, load_library
from ptebench.errors import InputError
from ptebench.hardware import gemm_precision

KEY = "embeddings.*.align.encoder_layers"
BATCH = 32  # texts that are read at once, of about one length
CLOSE = 0.05  # of a unit vector, from one that is read in another batch in bfloat16


class LowerLayers:
    """A frozen encoder on the processor, and the states of texts that its top `layers` read; of equal texts once.

    texts: of each name n + 1, the first for padding. settings: an `encoders` entry. `rows` of a name (n + 1, 1) say
    which distinct text is whose, 0 is none. Raises InputError where the encoder has no such layers.
    """

    def __init__(self, texts: Mapping[str, list[str]], settings: dict[str, Any], layers: int):
        self.model = load_library(settings).to("cpu").eval().requires_grad_(False)
        self.kind = gemm_precision("cpu") if settings["precision"] == "auto" else getattr(torch, settings["precision"])
        stacks = [module for module in self.model.modules() if isinstance(module, nn.ModuleList)]
        stack = max(stacks, key=len, default=nn.ModuleList())
        if layers > len(stack):
            raise InputError(f"{KEY}: {layers} is more than the {len(stack)} layers of the encoder; lower it")
        self.lower, self.top = stack[: len(stack) - layers], stack[len(stack) - layers :]
        self.linear = [module for module in self.top.modules() if isinstance(module, nn.Linear)]
        distinct = sorted({text for of in texts.values() for text in of if text.strip()}, key=lambda t: (len(t), t))
        place = {text: row for row, text in enumerate(distinct, 1)}
        self.rows = {name: torch.tensor([[place.get(text, 0)] for text in of]) for name, of in texts.items()}
        self._read(distinct)

    def _read(self, texts: list[str]) -> None:
        """Keep the inputs and the states of all tokens, text after text; raise InputError for layers that hide them."""
        if not texts:
            raise InputError("alignment: no item and no user has text; check the texts of the dataset")
        lengths, inputs, states, vectors = [torch.zeros(1, dtype=torch.long)], [], [], []
        refusal = InputError(f"{KEY}: the layers of this encoder cannot be parted; name another, such as minilm")
        caught: list[Any] = []
        self.packed = False

        def catch(module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            caught[:] = args or named.values()

        def look(module: nn.Module, args: tuple[Any, ...], out: Any) -> None:
            self.packed = isinstance(out, tuple)

        hooks = [layer.register_forward_hook(look) for layer in self.lower[:1]]
        for start in range(0, len(texts), BATCH):
            batch = self.model.preprocess(texts[start : start + BATCH])
            mask = batch["attention_mask"].bool()
            with self.precision(), torch.no_grad(), self.top[0].register_forward_pre_hook(catch, with_kwargs=True):
                vectors.append(self.model(dict(batch))["sentence_embedding"].float())
            if not self.linear or not torch.is_tensor(caught[0]) or caught[0].shape[:2] != mask.shape:
                raise refusal
            lengths.append(mask.sum(1))
            inputs.append({k: v[mask] for k, v in batch.items() if torch.is_tensor(v) and v.shape == mask.shape})
            states.append(caught[0][mask].float())
        for hook in hooks:
            hook.remove()
        self.lengths = torch.cat(lengths)
        self.ends = self.lengths.cumsum(0)
        self.inputs = {key: torch.cat([part[key] for part in inputs]) for key in inputs[0]}
        self.states = torch.cat(states)
        self.constant = {k: v for k, v in batch.items() if not torch.is_tensor(v)}
        try:
            with torch.no_grad():
                again = self.vectors(torch.arange(1, len(vectors[0]) + 1))
        except (IndexError, RuntimeError, TypeError, ValueError) as error:  # of layers that hand on more than states
            raise refusal from error
        if (again - normalize(vectors[0], dim=1)).abs().max() > CLOSE:
            raise refusal

    def precision(self) -> torch.autocast:
        """Return the context of the products' precision."""
        return torch.autocast("cpu", self.kind, enabled=self.kind != torch.float32)

    @contextmanager
    def replayed(self, states: torch.Tensor) -> Iterator[None]:
        """Have the lower layers return `states` (B, L, w), whatever they read."""
        for layer in self.lower:
            layer.forward = lambda *args, **named: (states,) if self.packed else states
        try:
            yield
        finally:
            for layer in self.lower:
                del layer.forward

    def vectors(self, rows: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (m, d) of the distinct texts `rows` (m,), which start at 1."""
        longest, parts = self.lengths[rows].sort(descending=True, stable=True), []
        start = 0
        while start < len(rows):
            width = int(longest.values[start])
            batch = rows[longest.indices[start : start + max(1, TOKENS["cpu"] // width)]]
            length = self.lengths[batch]
            mask = torch.arange(width) < length[:, None]
            at = (self.ends[batch] - length)[:, None].add(torch.arange(width))[mask]
            padded = {key: torch.zeros(mask.shape, dtype=of.dtype) for key, of in self.inputs.items()}
            for key, of in self.inputs.items():
                padded[key][mask] = of[at]
            states = torch.zeros(*mask.shape, self.states.shape[1])
            states[mask] = self.states[at]
            with self.precision(), self.replayed(states):
                parts.append(self.model({**padded, **self.constant})["sentence_embedding"].float())
            start += len(batch)
        return normalize(torch.cat(parts), dim=1)[longest.indices.argsort()]
