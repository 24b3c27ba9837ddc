"""A half-round: the adapter learns from one side's instructions, then writes what the next prompts show."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import torch

from ptebench.encoders import Encoder
from ptebench.files import PROFILES, write_table
from ptebench.profiles.evidence.owners import Draw, cold_examples, draw
from ptebench.profiles.evidence.prompts import item_prompts, messages, user_prompts
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.models.adapters import merged
from ptebench.profiles.models.finetune import finetune, finetune_by
from ptebench.profiles.models.loading import load, load_tokenizer
from ptebench.profiles.models.tokens import shortened
from ptebench.profiles.rounds.candidates import refresh
from ptebench.profiles.rounds.dialogues import Dialogue, first_turn
from ptebench.profiles.schema.tables import fields_by_id, shuffle
from ptebench.profiles.writing.answers import write
from ptebench.provenance import digest


@dataclass
class HalfRound:
    """What a half-round works with.

    cards: (n_items + 1, d) vectors. instructions: rows by side. retried: whether a round was refused. evidence: the
    other side's profiles that prompts show. earlier: profiles of items in the round that this one continues. vectors:
    file of texts that were encoded before.
    """

    spec: dict
    whole: Split
    cards: np.ndarray
    instructions: dict[str, list[dict]]
    retried: bool
    evidence: pl.DataFrame | None = None
    earlier: pl.DataFrame | None = None
    vectors: Path | None = None

    @cached_property
    def encode(self) -> Encoder:
        """The encoder by which new answers are chosen."""
        return Encoder(self.spec["encoder"], self.vectors)

    @cached_property
    def roles(self) -> Draw:
        """Who is watched and who may teach."""
        return draw(self.whole, self.spec["seed"], self.spec["probes"])

    @cached_property
    def split(self) -> Split:
        """The split without what is held out of the probes."""
        return self.whole.without(self.roles.pairs)

    @cached_property
    def fields(self) -> dict[int, dict]:
        """What prompts show of the other side, by id; in the shuffled control each item has the profile of another."""
        frame = self.evidence
        if frame is not None and self.spec["side"] == "user" and self.spec["loop"] == "shuffled":
            frame = shuffle(frame, self.spec["seed"])
        return {} if frame is None else fields_by_id(frame)

    def prompts(self, ids: list[int], cold=()) -> list[str]:
        """Return the prompts of owners of this side; items in `cold` stand in for cold ones."""
        if self.spec["side"] == "user":
            return user_prompts(ids, self.split.train, self.split.cards, self.fields, self.spec)
        earlier = {} if self.earlier is None else fields_by_id(self.earlier)
        return item_prompts(ids, self.split, self.fields, earlier, set(cold), self.cards, self.spec)

    def next_evidence(self) -> list[int]:
        """Return the owners whose profiles the next half-round's prompts show, and the probes."""
        spec, side = self.spec, self.spec["side"]
        other = {"user": "item", "item": "user"}[side]
        ids = [row["id"] for row in self.instructions[other]] + self.roles.probes[other]
        if side == "user":
            readers = self.split.readers(spec["neighbours"], spec["seed"])
            evidence = {u for i in ids for u in readers.get(i, [])}
        else:
            newest = self.split.cards.newest
            evidence = {i for u in ids for i in newest(self.split.train[u], spec["neighbours"])}
        return sorted(evidence | set(self.roles.probes[side]))

    def examples(self) -> list[dict]:
        """Return this side's instructions; after distillation with prompts that show the newest profiles."""
        spec, rows = self.spec, self.instructions[self.spec["side"]]
        if not spec["round"] or spec["loop"] == "static":
            return rows
        ids = [row["id"] for row in rows]
        texts = self.prompts(ids, cold_examples(ids, spec["seed"]) if spec["side"] == "item" else ())
        for place, row in enumerate(rows):
            if "dialogue" in row:
                texts[place] = first_turn(Dialogue(**row["dialogue"]), self.split, self.fields, spec)
        return [{**row, "prompt": messages(text)} for row, text in zip(rows, texts)]

    def learns(self) -> bool:
        """Say whether this side learns: distillation teaches both, or one of them could write nothing."""
        spec = self.spec
        return not spec["round"] or spec["loop"] not in ("user", "item") or spec["loop"] == spec["side"]

    def refreshes(self) -> bool:
        """Say whether some targets are made anew: after distillation, where prompts show new profiles."""
        spec = self.spec
        return bool(spec["round"] and spec["loop"] != "static" and spec["tuning"]["refresh"] and self.learns())

    def ask_again(self, source: dict, tokenizer) -> tuple[list[dict], dict]:
        """Return this side's instructions, some with the model's own best answers, and counts of these.

        source: what `load` takes, the adapter that is continued among it.
        """
        if not self.refreshes():
            return self.examples(), {}
        model, _ = load(trainable=False, **source)
        evidence = (self.split, self.fields, self.cards, self.encode, model, tokenizer, self.spec)
        rows, counts = refresh(self.examples(), *evidence)
        print(counts)
        return rows, counts

    def tune(self, source: dict, adapter: Path | None, scratch: Path, fingerprint: str):
        """Fine-tune the adapter (None: a new one); return (model, tokenizer, notes for the record).

        source: of `model_source`. scratch: folder of checkpoints, which a job of the same fingerprint goes on from.
        """
        spec, tuning = self.spec, self.spec["tuning"]
        rate = tuning["learning_rate"] if not spec["round"] else tuning["learning_rate_of_rounds"]
        tuning = tuning | {"learning_rate": rate / 2 if self.retried else rate}
        source = source | {key: spec[key] for key in ("lora", "quantization")}
        tokenizer = load_tokenizer(*(source[key] for key in ("source", "revision", "template_arguments")))
        limit = spec["context"] - spec["new_tokens"][spec["side"]]
        rows, counts = self.ask_again(source | {"adapter": adapter}, tokenizer)
        examples, lengths = shortened(rows, tokenizer, limit)
        print("tokens of prompts:", lengths)
        losses: list[float] = []
        many = spec["processes"] > 1
        arguments = {"settings": tuning, "context": spec["context"], "seed": spec["seed"], "fingerprint": fingerprint}
        if self.learns() and many:
            continued = source | {"adapter": adapter and str(adapter)}
            adapter, losses = finetune_by(spec["processes"], continued, examples, arguments, scratch)
        torch.manual_seed(spec["seed"])  # a new adapter is drawn at random
        model, tokenizer = load(adapter=adapter, trainable=True, **source)
        if self.learns() and not many:
            losses = finetune(model, tokenizer, examples, scratch=scratch, **arguments)
        if losses:
            print(f"{len(losses)} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}")
        prompts = "\0".join(row["prompt"][0]["content"] for row in examples)
        notes = {"learning_rate": tuning["learning_rate"], "losses": losses, "lengths": lengths, **counts}
        return model, tokenizer, notes | {"prompts_sha256": digest(prompts)}

    def write(self, model, tokenizer, path: Path) -> dict:
        """Write the profiles of `next_evidence` (PROFILES); return counts."""
        ids, origin = self.next_evidence(), {"round": self.spec["round"]}
        frame, counts = write(merged(model), tokenizer, ids, self.prompts(ids), self.spec["side"], self.spec, origin)
        write_table(frame, path, PROFILES)
        return counts
