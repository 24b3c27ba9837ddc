"""Write the distillation instructions of both sides: prompts and the teacher's answers.

Beside them it encodes, once for all later jobs, the texts that their scorers of the gain learn from.
"""

from ptebench.encoders import Encoder, write_vectors
from ptebench.files import read_embeddings, write_jsonl
from ptebench.job import run
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.rounds.instructions import instructions, texts_of_rounds
from ptebench.profiles.schema.tables import read_profiles


def main(job):
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    template = {side: read_profiles(job.input(f"template_{side}")) for side in ("user", "item")}
    files = {side: path for side in template if (path := job.input(f"teacher_{side}"))}
    rows, record = instructions(split, cards, template, files, job.spec)
    if job.spec["schema"] == "sentence":
        from ptebench.profiles.models.loading import load_base, load_tokenizer, model_source
        from ptebench.profiles.rounds.sentences import with_sentences

        source = model_source(job.spec, job.input("base"))
        tokenizer = load_tokenizer(*(source[key] for key in ("source", "revision", "template_arguments")))
        model = load_base(*(source[key] for key in ("source", "revision", "context")))
        for side, of in rows.items():
            rows[side], record[f"{side}_sentences"] = with_sentences(of, side, model, tokenizer, job.spec)
    for side, of in rows.items():
        write_jsonl(of, job.outputs[side])
        print(f"{len(of)} {side} instructions")
    write_vectors(texts_of_rounds(split, job.spec), Encoder(job.spec["encoder"]), job.outputs["texts"])
    return record


if __name__ == "__main__":
    run(main)
