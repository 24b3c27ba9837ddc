"""MiniLM by torch alone: to import sentence-transformers takes several times as long as a thousand short texts.

The same vectors but for rounding; the tests hold it to sentence-transformers.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional as F


class MiniLM:
    """A BERT of sentences: the mean of the last states of a text's tokens, of length one."""

    def __init__(self, folder: str | Path, device: str):
        """Read tokens and weights of a folder in the layout of sentence-transformers."""
        folder = Path(folder)
        settings = json.loads((folder / "config.json").read_text())
        self.blocks, self.heads = settings["num_hidden_layers"], settings["num_attention_heads"]
        self.epsilon, self.dimension = settings["layer_norm_eps"], settings["hidden_size"]
        self.max_seq_length = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
        self.weights, self.device = load_file(folder / "model.safetensors", device=device), device
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def get_embedding_dimension(self) -> int:
        """Return the length of a vector."""
        return int(self.dimension)

    def encode(self, texts: list[str], batch_size: int = 32, **_: bool) -> np.ndarray:
        """Return vectors (len(texts), d), texts of similar length in a batch."""
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                vectors[rows] = self.forward([texts[row] for row in rows]).float().cpu().numpy()
        return vectors

    def forward(self, texts: list[str]) -> torch.Tensor:
        """Return the vectors of a batch."""
        self.tokenizer.enable_truncation(self.max_seq_length)
        self.tokenizer.enable_padding()
        rows = self.tokenizer.encode_batch(texts)
        tokens = torch.tensor([row.ids for row in rows], device=self.device)
        mask = torch.tensor([row.attention_mask for row in rows], device=self.device, dtype=torch.bool)
        names = ("word", "position", "token_type")
        words, places, kinds = (self.weights[f"embeddings.{name}_embeddings.weight"] for name in names)
        states = self.norm(words[tokens] + kinds[0] + places[: tokens.shape[1]], "embeddings")
        for block in range(self.blocks):
            states = self.block(states, mask[:, None, None], f"encoder.layer.{block}")
        total = (states * mask[..., None]).sum(1)  # of any length: the mean is scaled to one in the end
        return F.normalize(total.float(), dim=1)

    def block(self, states: torch.Tensor, mask: torch.Tensor, name: str) -> torch.Tensor:
        """Return the states after attention and the two layers."""
        shape = (*states.shape[:2], self.heads, -1)
        query, key, value = (
            self.linear(states, f"{name}.attention.self.{part}").view(shape).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).reshape(states.shape)
        states = self.norm(self.linear(mixed, f"{name}.attention.output.dense") + states, f"{name}.attention.output")
        wide = F.gelu(self.linear(states, f"{name}.intermediate.dense"))
        return self.norm(self.linear(wide, f"{name}.output.dense") + states, f"{name}.output")

    def linear(self, states: torch.Tensor, name: str) -> torch.Tensor:
        """Apply a layer of weights."""
        return F.linear(states, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, states: torch.Tensor, name: str) -> torch.Tensor:
        """Normalise states by the LayerNorm of a part."""
        weight, bias = (self.weights[f"{name}.LayerNorm.{kind}"] for kind in ("weight", "bias"))
        return F.layer_norm(states, (self.dimension,), weight, bias, self.epsilon)
