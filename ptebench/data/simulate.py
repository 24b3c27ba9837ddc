"""A generator of raw files with a known answer: planted factors of items, preferences, transitions.

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
    """What was planted and what users did; arrays over items (I), users (U), events (N, by user and time)."""

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
    """Return what is planted and what users did, from the settings of a simulated dataset."""
    items, users = settings["items"], settings["users"]
    topics = list(TOPICS.values())
    planted, preference, chance = (np.random.default_rng([settings["seed"], s]) for s in range(3))
    topic, hidden, style, name = (
        planted.permutation(np.arange(items) % n) for n in (len(topics), HIDDEN, len(STYLES), len(NAMES))
    )
    subtopic = planted.integers(0, len(topics[0]), items)
    start, length = start_of(settings["layout"])
    born = np.full(items, start)
    born[planted.permutation(items)[: round(settings["new_items"] * items)]] = start + length // 2

    # the shares of variance hold up to the chance correlation of the two parts, standardised first
    taste = preference.standard_normal((users, len(topics)))[:, topic]
    taste = taste + 0.6 * preference.standard_normal((users, len(topics), len(topics[0])))[:, topic, subtopic]
    behaviour = preference.standard_normal((users, HIDDEN))[:, hidden]
    share = settings["behaviour_only"]
    utility = standard(np.sqrt(1 - share) * standard(taste) + np.sqrt(share) * standard(behaviour))

    # transitions: to items that share the factors users follow, in the same shares
    near = (1 - share) * (1.0 * (topic[:, None] == topic) + 0.5 * (subtopic[:, None] == subtopic))
    near = near + share * (hidden[:, None] == hidden) + 0.3 * planted.random((items, items))
    np.fill_diagonal(near, -1)
    successors = np.argsort(-near, axis=1, kind="stable")[:, :SUCCESSORS]

    counts = np.clip(preference.geometric(1 / max(settings["mean_length"] - 4, 1), users) + 4, 5, items // 3)
    popularity = 0.4 * planted.standard_normal(len(NAMES))[name]
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
    chosen = np.argsort(rng.random((users, longest)), axis=1).argsort(axis=1) < counts[:, None]
    base = SHARPNESS * utility + popularity
    seen = np.zeros((users, items), dtype=bool)
    last = np.full(users, -1)
    events = []
    for step in range(longest):
        active = np.flatnonzero(chosen[:, step])
        now = times[active, step]
        closed = seen[active] | (born[None, :] > now[:, None])
        score = np.where(closed, -np.inf, base[active] + rng.gumbel(size=(len(active), items)))
        pick = score.argmax(1)
        follow = (rng.random(len(active)) < sequential) & (last[active] >= 0)
        wanted = successors[last[active], rng.choice(SUCCESSORS, len(active), p=CHANCES)]
        follow &= ~closed[np.arange(len(active)), wanted]
        pick = np.where(follow, wanted, pick)
        seen[active, pick] = True
        last[active] = pick
        events.append((active, pick, now))
    user, item, time = (np.concatenate(column) for column in zip(*events))
    order = np.lexsort((time, user))
    return user[order], item[order], time[order]


def texts(settings: dict, planted: World) -> dict[str, list]:
    """Return title, name, topic, subtopic and description of every item; titles are distinct."""
    rng = np.random.default_rng([settings["seed"], 3])
    topics, styles = list(TOPICS.items()), list(STYLES.values())
    result: dict[str, list[str]] = {"title": [], "name": [], "topic": [], "subtopic": [], "description": []}
    taken = set()
    for i in range(len(planted.topic)):
        topic, subtopics = topics[planted.topic[i]]
        subtopic, words = list(subtopics.items())[planted.subtopic[i]]
        style, name = styles[planted.style[i]], NAMES[planted.name[i]]
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
        while title in taken:
            stem, number = title.removesuffix(f" {number - 1}"), number + 1
            title = f"{stem} {number - 1}"
        taken.add(title)
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
    """Write a text file, gzip where its name says so, the same bytes every time."""
    data = text.encode(encoding)
    if path.suffix == ".gz":
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as stream:
            stream.write(data)
        data = packed.getvalue()
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def _stars(planted: World, rng: np.random.Generator) -> np.ndarray:
    """Return a rating from 1 to 5 per event that follows the user's utility."""
    liked = planted.utility[planted.user, planted.item] + 0.7 * rng.standard_normal(len(planted.item))
    return np.clip(np.rint(3.2 + liked), 1, 5).astype(int)


def _amazon(planted: World, text: dict, outputs: dict[str, Path], rng: np.random.Generator):
    users = _keys(len(planted.utility), "A", 13, rng)
    items = _keys(len(planted.topic), "B0", 8, rng)
    stars = _stars(planted, rng)
    days = planted.time // DAY * DAY
    lines = []
    for n in np.lexsort((planted.time, items[planted.item])):  # the publisher's order: by product
        day = datetime.fromtimestamp(int(days[n]), UTC)
        lines.append(
            json.dumps(
                {
                    "overall": float(stars[n]), "verified": True, "reviewTime": f"{day:%m} {day.day}, {day.year}",
                    "reviewerID": users[planted.user[n]], "asin": items[planted.item[n]],
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


def _netflix(planted: World, text: dict, outputs: dict[str, Path], rng: np.random.Generator):
    users = rng.permutation(np.arange(1, 7 * len(planted.utility) + 1))[: len(planted.utility)].astype(str)
    items = (rng.permutation(len(planted.topic)) + 1).astype(str)
    stars, days = _stars(planted, rng), planted.time // DAY * DAY
    lines, movie = [], None
    for n in np.lexsort((rng.random(len(planted.item)), items[planted.item].astype(int))):
        if planted.item[n] != movie:
            movie = planted.item[n]
            lines.append(f"{items[movie]}:")
        lines.append(f"{users[planted.user[n]]},{stars[n]},{datetime.fromtimestamp(int(days[n]), UTC):%Y-%m-%d}")
    write_file(outputs["ratings"], "\n".join(lines) + "\n")
    order = np.argsort(items.astype(int))
    year = np.where(planted.born > planted.born.min(), "2024", "2022")
    write_file(outputs["titles"], "".join(f"{items[i]},{year[i]},{text['title'][i]}\n" for i in order), "iso-8859-1")
    return users, items


def _mind(planted: World, text: dict, outputs: dict[str, Path], rng: np.random.Generator):
    users = np.char.add("U", rng.permutation(np.arange(10000, 10000 + 5 * len(planted.utility))).astype(str))
    users = users[: len(planted.utility)]
    items = np.char.add("N", rng.permutation(np.arange(1000, 1000 + 5 * len(planted.topic))).astype(str))
    items = items[: len(planted.topic)]
    start, length = start_of("mind")
    earlier = planted.time < start + EARLIER * length
    history: dict[int, list[str]] = {}
    for u, i in zip(planted.user[earlier], planted.item[earlier]):
        history.setdefault(u, []).append(items[i])
    clicks = np.flatnonzero(~earlier)
    lines = []
    for number, n in enumerate(rng.permutation(clicks), 1):
        user, item = planted.user[n], planted.item[n]
        offered = np.flatnonzero(planted.born <= planted.time[n])
        others = rng.choice(offered[offered != item], SHOWN - 1, replace=False)
        shown = rng.permutation([f"{items[item]}-1", *(f"{items[i]}-0" for i in others)])
        time = datetime.fromtimestamp(int(planted.time[n]), UTC)
        hour, half = time.hour % 12 or 12, "AM" if time.hour < 12 else "PM"
        clock = f"{time.month}/{time.day}/{time.year} {hour}:{time:%M:%S} {half}"
        lines.append("\t".join([str(number), users[user], clock, " ".join(history.get(user, [])), " ".join(shown)]))
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
    planted = world(settings)
    layout = {"amazon": _amazon, "netflix": _netflix, "mind": _mind}[settings["layout"]]
    text = texts(settings, planted)
    users, items = layout(planted, text, outputs, np.random.default_rng([settings["seed"], 4]))
    with atomic(outputs["truth"]) as temporary:
        np.savez_compressed(temporary, user_id=users.astype(str), item_id=items.astype(str), **vars(planted))
    return planted
