"""What a language model would rather answer, yes or no."""

import numpy as np
import torch

from ptebench.profiles.models.tokens import conversation_tokens


def preference(model, tokenizer, conversations: list[list[dict]]) -> np.ndarray:
    """Return how much rather each conversation's last answer would begin with `yes` than with `no`, in logits."""
    model.eval()
    scores = []
    for turns in conversations:
        tokens_of = {}
        for word in ("yes", "no"):
            ids, labels = conversation_tokens([*turns[:-1], {"role": "assistant", "content": word}], tokenizer)
            start = max(p for p in range(1, len(ids)) if labels[p] != -100 and labels[p - 1] == -100)
            tokens_of[word] = ids[start]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids[:start]], device=model.device)).logits[0, -1].float()
        scores.append((logits[tokens_of["yes"]] - logits[tokens_of["no"]]).item())
    return np.array(scores)
