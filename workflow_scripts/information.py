"""Measure what some vectors of items tell of others, and what they are worth to a recommender."""

from ptebench.files import VOCABULARY, read_embeddings, read_table, write_table, write_text
from ptebench.information import figure, page
from ptebench.information.reading import read_categories, read_events, read_training
from ptebench.information.suite import MEASURES, Material, measure
from ptebench.job import run
from ptebench.recommenders.cell import item_vectors


def main(job) -> dict:
    spec = job.spec
    vocabulary = read_table(job.input("vocabulary"), VOCABULARY).filter(side="item")
    parts = {name: job.part(name, settings) for name, settings in spec["vectors"]}
    vectors = {
        name: read_embeddings(path, len(vocabulary) + 1) if (path := part.input("vectors")) else item_vectors(part)
        for name, part in parts.items()
    }
    counts, partners = read_training(job.input("train"), len(vocabulary))
    events = (read_events(job.input(name)) for name in ("valid", "test"))
    material = Material(vectors, counts, partners, *events, spec["seed"])
    frame = measure(material)
    ids = figure.choose_items(material.items, spec["seed"])
    drawings = {suffix: job.outputs[suffix] for suffix in ("svg", "png")}
    categories = read_categories(job.input("items"), vocabulary)
    figure.draw(vectors, frame, counts, ids, categories, spec["seed"], drawings)
    write_table(frame, job.outputs["csv"], MEASURES)
    write_text(page.render(frame, list(vectors), spec["title"], drawings["svg"].name), job.outputs["md"])
    return {"items": int(material.items.sum()), "events": len(material.test.targets)}


if __name__ == "__main__":
    run(main)
