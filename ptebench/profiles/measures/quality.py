"""How good written profiles are: form, truth, diversity; each writer on the same owners, beside the teacher's."""

import json

import numpy as np
import polars as pl
import torch

from ptebench.profiles.evidence.prompts import MARK
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.evidence.vectors import padded
from ptebench.profiles.measures.diversity import effective_rank, mean_pairwise_cosine
from ptebench.profiles.measures.faithfulness import chance_support, copied, faithfulness, phrase_vectors, support
from ptebench.profiles.measures.identification import identification
from ptebench.profiles.measures.ranking import ranks
from ptebench.profiles.models.tokens import rows_of
from ptebench.profiles.schema.fields import phrases, strict
from ptebench.randomness import generator

SAMPLE = 256  # owners that are drawn, of each side
SHOWN = 5  # owners of each side on the page of samples
MEASURES = (
    "profiles", "parsed", "strict", "by_grammar", "words", "owners", "faithfulness", "identification",
    "effective_rank", "pairwise_cosine", "distinct_phrases", "perplexity", "tokens_per_second",
)  # fmt: skip
SHARES = {"parsed", "strict", "by_grammar", "distinct_phrases"}
QUALITY = {"side": pl.String, "writer": pl.String, "measure": pl.String, "value": pl.Float64}


def sample(ids, taken: set, seed: int, side: str) -> list[int]:
    """Return up to SAMPLE of `ids` that are not `taken`, drawn by seed, ascending."""
    left = np.array(sorted(set(ids) - taken), dtype=np.int64)
    return np.sort(generator(seed, f"quality {side}").permutation(left)[:SAMPLE]).tolist()


def evidence(owners: list[int], side: str, split: Split, spec: dict) -> np.ndarray:
    """Return (B, H) items, 0 for none, whose cards may support what is said of each owner.

    Of a user: the newest training items that prompts show. Of an item: itself, and the newest items of its readers that
    prompts show.
    """
    shown = spec["history"]
    if side == "user":
        rows = [split.train[u][-shown:] for u in owners]
    else:
        readers = split.readers(spec["neighbours"], spec["seed"])
        rows = [[i, *dict.fromkeys(j for u in readers.get(i, []) for j in split.train[u][-shown:])] for i in owners]
    return padded(rows)


def spoken(fields: dict[int, dict], owners: list[int], side: str) -> tuple[list[int], list[list[str]]]:
    """Return the places of the owners who have a profile, and its phrases."""
    places = [p for p, o in enumerate(owners) if o in fields]
    return places, [phrases(fields[owners[p]], side) for p in places]


def threshold(fields: dict[int, dict], owners: list[int], side: str, shown: np.ndarray, encode) -> float:
    """Return the support that phrases find by chance: each profile meets the evidence (B, H, d) of the next owner."""
    places, said = spoken(fields, owners, side)
    return chance_support(phrase_vectors(said, encode), shown[np.roll(places, 1)])


def form(frame: pl.DataFrame, side: str) -> dict:
    """Return how the profiles of a side keep to the grammar; those of owners without any evidence do not count."""
    frame = frame.filter(pl.col("generation") != "{}")
    made = [json.loads(g) for g in frame["generation"]]
    count = max(1, frame.height)
    return {
        "profiles": frame.height,
        "parsed": 1 - frame["fields"].null_count() / count,
        "strict": sum(m.get("repair") is None for m in made) / count,
        "by_grammar": sum("grammar" in m.get("decoding", "") for m in made) / count,
        "words": float(np.mean([len(t.split()) for t in frame["text"]])) if frame.height else None,
    }


def worth(fields: dict[int, dict], owners, side, shown, known, among, prompts, chance: float, encode) -> dict:
    """Return the measures of truth and diversity over `owners`; one without a profile earns the least of each.

    shown: (B, H, d) evidence. known: (n + 1, d), among: (B, M) ids in it, the owner first. prompts: what was shown to
    whom, for copying. chance: of `threshold`.
    """
    places, said = spoken(fields, owners, side)
    if len(places) < 2:
        return {"owners": len(places)}
    texts = encode(["; ".join(own) for own in said])
    faith, found = np.full(len(owners), -1.0), np.zeros(len(owners))
    supports = support(phrase_vectors(said, encode), shown[places])
    faith[places] = faithfulness(supports, chance, copied(said, [prompts[p] for p in places]))
    found[places] = identification(ranks(texts, known, among[places]))
    every = [p for own in said for p in own]
    return {
        "owners": len(places), "faithfulness": float(faith.mean()), "identification": float(found.mean()),
        "effective_rank": effective_rank(texts), "pairwise_cosine": mean_pairwise_cosine(texts),
        "distinct_phrases": len(set(every)) / len(every),
    }  # fmt: skip


def perplexity(model, tokenizer, pairs: list[tuple[str, str]], context: int) -> float:
    """Return exp of the mean loss of a token of the answers, given their prompts."""
    losses = []
    model.eval()
    with torch.inference_mode():
        for row in rows_of(pairs, tokenizer, context):
            ids = torch.tensor([row.ids], device=model.device)
            scores = torch.log_softmax(model(input_ids=ids).logits[0, row.start - 1 : -1].float(), -1)
            losses += (-scores.gather(1, ids[0, row.start :, None])[:, 0]).tolist()
    return float(np.exp(np.mean(losses)))


def table(rows: list[dict]) -> pl.DataFrame:
    """Return the measures that each row of a side and writer has, in long format."""
    long = [(row["side"], row["writer"], m, row[m]) for row in rows for m in MEASURES if row.get(m) is not None]
    return pl.DataFrame(long, schema=QUALITY, orient="row")


def markdown(frame: pl.DataFrame, title: str) -> str:
    """Return the measures as a Markdown table, one row a side and writer."""
    wide = frame.pivot("measure", index=["side", "writer"], values="value", maintain_order=True)
    names = [m for m in MEASURES if m in wide.columns]

    def cell(name, value):
        if value is None:
            return ""
        if name in SHARES:
            return f"{100 * value:.1f} %"
        return f"{value:,.0f}" if name in ("profiles", "owners") else f"{value:.1f}" if value >= 10 else f"{value:.3f}"

    lines = [f"# {title}", "", "| side | writer | " + " | ".join(n.replace("_", " ") for n in names) + " |"]
    lines.append("|---|---|" + "---:|" * len(names))
    for row in wide.iter_rows(named=True):
        lines.append(f"| {row['side']} | {row['writer']} | " + " | ".join(cell(n, row[n]) for n in names) + " |")
    return "\n".join(lines) + "\n"


def page(title: str, owners: dict[str, list[int]], prompts: dict, texts: dict) -> str:
    """Return sampled profiles as Markdown: what the plain prompt shows, and what each writer says.

    owners: ids by side. prompts: by side and id. texts: by writer, side and id; who has nothing is left out.
    """

    def quoted(text):
        return text.replace("|", "\\|").replace("\n", "<br>")

    lines = [f"# {title}", ""]
    for side, ids in owners.items():
        for identity in ids:
            lines += [f"## {side} {identity}", ""]
            known = prompts[side][identity].split("\n")[1:-3]
            lines += [line if line.startswith(MARK) else f"{MARK}{line}" for line in known] + [""]
            said = {w: of[side][identity] for w, of in texts.items() if identity in of.get(side, {})}
            lines += ["| writer | profile |", "|---|---|"]
            lines += [f"| {w} | {quoted(t)}{'' if strict(t, side) else ' (no profile)'} |" for w, t in said.items()]
            lines.append("")
    return "\n".join(lines)
