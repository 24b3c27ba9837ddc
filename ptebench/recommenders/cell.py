"""What the jobs of a cell read: the training data, the text vectors, the validation events."""

from ptebench.recommenders.split import catalogue, read_events, read_sizes, read_train

TEXT = ("item", "card", "user")


def load_train(job, spec: dict):
    """Return the sizes (users, items), the training data and the catalogue."""
    sizes = read_sizes(job.input("vocabulary"))
    train_set = read_train(job.input("train"))
    text = {name: job.input(name) for name in TEXT if job.input(name)}
    reader = spec["backbone"] if "text" in spec["backbone"] else spec["representation"]
    return sizes, train_set, catalogue(train_set, sizes, spec["backbone"], text, reader.get("control"))


def load(job, spec: dict):
    """Return the training data, the catalogue, the validation events and what a checkpoint must have been made from."""
    sizes, train_set, items_and_users = load_train(job, spec)
    valid = read_events(job.input("valid"), job.input("candidates"), sizes[1])[0]
    return train_set, items_and_users, valid, job.fingerprint(spec)
