"""A generator of raw files whose truth is known: item factors, preferences, transitions.

An item has a visible factor (topic and sub-topic: its text shows it and users follow it), a behaviour-only factor
(users follow it and no text shows it) and a text-only factor (a style that its text shows and no user follows).
A name (brand, columnist, hero) that the text shows sets the popularity.
"""

import gzip
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ptebench.data.vocabulary import ABOUT_STYLE, ABOUT_TOPIC, NAMES, STYLES, TOPICS
from ptebench.files import atomic

# new items appear from this day on, the middle of every layout's period, whatever its days
MIDDLE = datetime(2024, 1, 16, tzinfo=UTC)
DAYS = {"amazon": 730, "netflix": 730, "mind": 42}
DAY = 86400
HIDDEN = 6  # values of the behaviour-only factor
SHARPNESS = 3.0  # of the preferences: utilities have variance 1, choices follow exp(SHARPNESS * utility)
SUCCESSORS = 3  # planted next items per item, with these chances
FEWEST_ITEMS = 2 * SUCCESSORS * len(TOPICS)
CHANCES = np.array([0.6, 0.25, 0.15])
SENTENCES = 5  # of an item's description
SHOWN = 6  # news of one impression, one of them clicked
EARLIER = 0.25  # share of the period whose clicks stand in MIND's history column


@dataclass(frozen=True)
class World:
    """The simulated truth and the users' events; arrays over items (I), users (U), events (N, by user and time)."""

    topic: np.ndarray  # (I,) visible factor
    subtopic: np.ndarray  # (I,) within the topic
    hidden: np.ndarray  # (I,) behaviour-only factor
    style: np.ndarray  # (I,) text-only factor
    name: np.ndarray  # (I,) popularity, visible
    born: np.ndarray  # (I,) first second on offer
    successors: np.ndarray  # (I, SUCCESSORS) planted transitions
    utility: np.ndarray  # (U, I) what users prefer, variance 1 over items
    user: np.ndarray  # (N,)
    item: np.ndarray  # (N,)
    time: np.ndarray  # (N,) seconds


def start_of(layout: str) -> tuple[int, int]:
    """Return the first second of a layout's period and its length in seconds."""
    length = DAYS[layout] * DAY
    return int(MIDDLE.timestamp()) - length // 2, length


def standard(utility: np.ndarray) -> np.ndarray:
    """Return rows with mean 0 and variance 1."""
    utility = utility - utility.mean(1, keepdims=True)
    return utility / np.maximum(utility.std(1, keepdims=True), 1e-9)


def world(settings: dict) -> World:
    """Return the truth and the events of a simulated dataset."""
    items, users = settings["items"], settings["users"]
    topics = list(TOPICS.values())
    structure, preference, chance = (np.random.default_rng([settings["seed"], s]) for s in range(3))
    topic, hidden, style, name = (
        structure.permutation(np.arange(items) % n) for n in (len(topics), HIDDEN, len(STYLES), len(NAMES))
    )
    subtopic = structure.integers(0, len(topics[0]), items)
    start, length = start_of(settings["layout"])
    born = np.full(items, start)
    born[structure.permutation(items)[: round(settings["new_items"] * items)]] = start + length // 2

    # the shares of variance hold up to the chance correlation of the two parts, standardised first
    taste = preference.standard_normal((users, len(topics)))[:, topic]
    taste = taste + 0.6 * preference.standard_normal((users, len(topics), len(topics[0])))[:, topic, subtopic]
    behaviour = preference.standard_normal((users, HIDDEN))[:, hidden]
    share = settings["behaviour_only"]
    utility = standard(np.sqrt(1 - share) * standard(taste) + np.sqrt(share) * standard(behaviour))

    # transitions: to items that share the factors users follow, in the same shares
    near = (1 - share) * (1.0 * (topic[:, None] == topic) + 0.5 * (subtopic[:, None] == subtopic))
    near = near + share * (hidden[:, None] == hidden) + 0.3 * structure.random((items, items))
    np.fill_diagonal(near, -1)
    successors = np.argsort(-near, axis=1, kind="stable")[:, :SUCCESSORS]

    counts = np.clip(preference.geometric(1 / max(settings["mean_length"] - 4, 1), users) + 4, 5, items // 3)
    popularity = 0.4 * structure.standard_normal(len(NAMES))[name]
    user, item, time = _walk(
        utility, popularity, successors, born, counts, settings["sequential"], start, length, chance
    )
    return World(topic, subtopic, hidden, style, name, born, successors, utility, user, item, time)


def _walk(utility, popularity, successors, born, counts, sequential, start, length, rng):
    """Return (user, item, time) of every event: no user meets an item twice; all users take a step at once."""
    users, items = utility.shape
    longest = int(counts.max())
    times = np.sort(start + rng.integers(0, length, (users, longest)), axis=1)
    # a shorter history is spread over the whole period too: its steps are drawn from all of them
    is_step = np.argsort(rng.random((users, longest)), axis=1).argsort(axis=1) < counts[:, None]
    base = SHARPNESS * utility + popularity
    history = np.zeros((users, items), dtype=bool)
    last = np.full(users, -1)
    events = []
    for step in range(longest):
        active = np.flatnonzero(is_step[:, step])
        now = times[active, step]
        unavailable = history[active] | (born[None, :] > now[:, None])
        score = np.where(unavailable, -np.inf, base[active] + rng.gumbel(size=(len(active), items)))
        pick = score.argmax(1)
        follow = (rng.random(len(active)) < sequential) & (last[active] >= 0)
        successor = successors[last[active], rng.choice(SUCCESSORS, len(active), p=CHANCES)]
        follow &= ~unavailable[np.arange(len(active)), successor]
        pick = np.where(follow, successor, pick)
        history[active, pick] = True
        last[active] = pick
        events.append((active, pick, now))
    user, item, time = (np.concatenate(column) for column in zip(*events))
    order = np.lexsort((time, user))
    return user[order], item[order], time[order]


def texts(settings: dict, truth: World) -> dict[str, list]:
    """Return title, name, topic, subtopic and description of every item; titles are distinct."""
    rng = np.random.default_rng([settings["seed"], 3])
    topics, styles = list(TOPICS.items()), list(STYLES.values())
    result: dict[str, list[str]] = {"title": [], "name": [], "topic": [], "subtopic": [], "description": []}
    titles = set()
    for i in range(len(truth.topic)):
        topic, subtopics = topics[truth.topic[i]]
        subtopic, words = list(subtopics.items())[truth.subtopic[i]]
        style, name = styles[truth.style[i]], NAMES[truth.name[i]]
        sentences = []
        for _ in range(SENTENCES):
            if rng.random() < settings["text_only"]:
                x, y = rng.choice(style, 2, replace=False)
                sentences.append(str(rng.choice(ABOUT_STYLE)).format(x=x, y=y))
            else:
                x, y = rng.choice(words, 2, replace=False)
                sentences.append(
                    str(rng.choice(ABOUT_TOPIC)).format(x=x, y=y, sub=subtopic.lower(), topic=topic.lower())
                )
        x, y = rng.choice(words, 2, replace=False)
        z = f"{rng.choice(style)} " if rng.random() < 2 * settings["text_only"] else ""
        title = {
            "amazon": f"{name} {z}{x} and {y} set",
            "mind": f"{name}: why the {z}{x} matters more than the {y}",
            "netflix": f"{name} and the {z}{x}, a story of {subtopic}",
        }[settings["layout"]]
        title = title[0].upper() + title[1:]
        number = 2
        while title in titles:
            stem, number = title.removesuffix(f" {number - 1}"), number + 1
            title = f"{stem} {number - 1}"
        titles.add(title)
        values = (title, name, topic, subtopic, " ".join(sentences))
        for key, value in zip(result, values):
            result[key].append(value)
    return result


def _keys(count: int, prefix: str, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return distinct names in the publisher's style, in no order."""
    letters = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    names: set[str] = set()
    while len(names) < count:
        names.add(prefix + "".join(rng.choice(letters, width)))
    return rng.permutation(sorted(names))


def write_file(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a text file, compressed where its name ends in .gz; the same text gives the same bytes."""
    data = text.encode(encoding)
    if path.suffix == ".gz":
        octets = io.BytesIO()
        with gzip.GzipFile(fileobj=octets, mode="wb", mtime=0, filename="") as stream:
            stream.write(data)
        data = octets.getvalue()
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def _stars(truth: World, rng: np.random.Generator) -> np.ndarray:
    """Return a rating from 1 to 5 per event that follows the user's utility."""
    score = truth.utility[truth.user, truth.item] + 0.7 * rng.standard_normal(len(truth.item))
    return np.clip(np.rint(3.2 + score), 1, 5).astype(int)


def _amazon(truth: World, text: dict, outputs: dict[str, Path], rng: np.random.Generator):
    users = _keys(len(truth.utility), "A", 13, rng)
    items = _keys(len(truth.topic), "B0", 8, rng)
    stars = _stars(truth, rng)
    days = truth.time // DAY * DAY
    lines = []
    for n in np.lexsort((truth.time, items[truth.item])):  # the publisher's order: by product
        day = datetime.fromtimestamp(int(days[n]), UTC)
        lines.append(
            json.dumps(
                {
                    "overall": float(stars[n]), "verified": True, "reviewTime": f"{day:%m} {day.day}, {day.year}",
                    "reviewerID": users[truth.user[n]], "asin": items[truth.item[n]],
                    "unixReviewTime": int(days[n]),
                }
            )
        )  # fmt: skip
    write_file(outputs["reviews"], "\n".join(lines) + "\n")
    records = [
        {
            "category": ["Hobbies &amp; Leisure", text["topic"][i], text["subtopic"][i]],
            "description": [text["description"][i]], "title": text["title"][i], "brand": text["name"][i],
            "feature": [], "price": "", "asin": items[i],
        }
        for i in np.argsort(items)
    ]  # fmt: skip
    write_file(outputs["metadata"], "".join(json.dumps(record) + "\n" for record in records))
    return users, items


def _netflix(truth: World, text: dict, outputs: dict[str, Path], rng: np.random.Generator):
    users = rng.permutation(np.arange(1, 7 * len(truth.utility) + 1))[: len(truth.utility)].astype(str)
    items = (rng.permutation(len(truth.topic)) + 1).astype(str)
    stars, days = _stars(truth, rng), truth.time // DAY * DAY
    lines, movie = [], None
    for n in np.lexsort((rng.random(len(truth.item)), items[truth.item].astype(int))):
        if truth.item[n] != movie:
            movie = truth.item[n]
            lines.append(f"{items[movie]}:")
        lines.append(f"{users[truth.user[n]]},{stars[n]},{datetime.fromtimestamp(int(days[n]), UTC):%Y-%m-%d}")
    write_file(outputs["ratings"], "\n".join(lines) + "\n")
    order = np.argsort(items.astype(int))
    year = np.where(truth.born > truth.born.min(), "2024", "2022")
    write_file(outputs["titles"], "".join(f"{items[i]},{year[i]},{text['title'][i]}\n" for i in order), "iso-8859-1")
    return users, items


def _mind(truth: World, text: dict, outputs: dict[str, Path], rng: np.random.Generator):
    users = np.char.add("U", rng.permutation(np.arange(10000, 10000 + 5 * len(truth.utility))).astype(str))
    users = users[: len(truth.utility)]
    items = np.char.add("N", rng.permutation(np.arange(1000, 1000 + 5 * len(truth.topic))).astype(str))
    items = items[: len(truth.topic)]
    start, length = start_of("mind")
    earlier = truth.time < start + EARLIER * length
    history: dict[int, list[str]] = {}
    for u, i in zip(truth.user[earlier], truth.item[earlier]):
        history.setdefault(u, []).append(items[i])
    clicks = np.flatnonzero(~earlier)
    lines = []
    for number, n in enumerate(rng.permutation(clicks), 1):
        user, item = truth.user[n], truth.item[n]
        candidates = np.flatnonzero(truth.born <= truth.time[n])
        others = rng.choice(candidates[candidates != item], SHOWN - 1, replace=False)
        entries = rng.permutation([f"{items[item]}-1", *(f"{items[i]}-0" for i in others)])
        time = datetime.fromtimestamp(int(truth.time[n]), UTC)
        hour, half = time.hour % 12 or 12, "AM" if time.hour < 12 else "PM"
        clock = f"{time.month}/{time.day}/{time.year} {hour}:{time:%M:%S} {half}"
        lines.append("\t".join([str(number), users[user], clock, " ".join(history.get(user, [])), " ".join(entries)]))
    write_file(outputs["behaviors"], "\n".join(lines) + "\n")
    rows = [
        "\t".join(
            [items[i], text["topic"][i].lower(), text["subtopic"][i].lower(), text["title"][i], text["description"][i],
             "", "[]", "[]"]
        )
        for i in rng.permutation(len(items))
    ]  # fmt: skip
    write_file(outputs["news"], "\n".join(rows) + "\n")
    return users, items


def write(settings: dict, outputs: dict[str, Path]) -> World:
    """Write the raw files of a simulated dataset and `truth` (npz: the World's arrays, and the names of its ids).

    `outputs` names a path for each file of the layout: amazon: reviews, metadata; netflix: ratings, titles;
    mind: behaviors, news; and truth.
    """
    truth = world(settings)
    layout = {"amazon": _amazon, "netflix": _netflix, "mind": _mind}[settings["layout"]]
    text = texts(settings, truth)
    users, items = layout(truth, text, outputs, np.random.default_rng([settings["seed"], 4]))
    with atomic(outputs["truth"]) as temporary:
        np.savez_compressed(temporary, user_id=users.astype(str), item_id=items.astype(str), **vars(truth))
    return truth
