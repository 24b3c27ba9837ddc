"""Asking a language model at an endpoint; an answer that came is kept and never asked for again.

Answers stand in a file of JSON lines that grows as they come.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from ptebench.files import InputError
from ptebench.profiles.evidence.prompts import evidence_lines, messages
from ptebench.profiles.schema.parse import repaired
from ptebench.profiles.schema.thoughts import THOUGHTS, without_thoughts
from ptebench.profiles.teachers.client import Endpoint
from ptebench.profiles.writing.answer_files import open_answers
from ptebench.profiles.writing.compose import TRIED, compose, none_parsed
from ptebench.progress import Progress
from ptebench.provenance import canonical, digest

ASKED_ANEW = ("no JSON", "no choices")  # faults of a server that may be well next time; others are its answer


def request(prompt: str, limit: int, settings: dict) -> dict:
    """Return the body of the request for an answer of at most `limit` tokens."""
    fields = {"temperature": settings["temperature"], "seed": settings["seed"], "max_tokens": limit}
    fields = {k: v for k, v in (fields | settings["request"]).items() if v is not None}
    return {**fields, "model": settings["model"], "messages": messages(prompt)}


def again(body: dict, text: str, reason: str) -> dict:
    """Return the body of a second request, which says what is wrong with the answer to the first."""
    prompt = body["messages"][0]["content"]
    contract = "\n".join(prompt.split("\n")[len(evidence_lines(prompt)) :])
    turns = [
        {"role": "assistant", "content": without_thoughts(text)},
        *messages(f"That is not the form ({reason}). {contract}"),
    ]
    return {**body, "messages": body["messages"] + turns}


def unparsed(answer: dict, side: str) -> str | None:
    """Return why an answer is no profile, None where it is one."""
    fields, reason = repaired(answer["text"].strip(), side)
    return None if fields else answer.get("fault", reason)


class Doubt:
    """Hears of answers one by one; raises InputError when TRIED have come and none is a profile of `side`."""

    def __init__(self, settings: dict, side: str | None, file: Path):
        self.settings, self.side, self.file = settings, side, file
        self.failed: list[tuple[str, str]] = []
        self.lock = threading.Lock()

    def __call__(self, answer: dict) -> None:
        with self.lock:
            if not self.side:
                return
            if not (reason := unparsed(answer, self.side)):
                self.side = None  # no doubt is left
            else:
                self.failed.append((reason, answer["text"]))
                if len(self.failed) >= TRIED:
                    raise none_of(self.settings, self.failed, self.file)


def none_of(settings: dict, failed: list[tuple[str, str]], file: Path) -> InputError:
    """Return the error of a model none of whose answers is a profile; `failed` has (reason, text) of each."""
    place = f"language_models.{settings['name']}"
    mend = f"name a model that follows instructions under {place}.model"
    if all(reason == THOUGHTS for reason, _ in failed):
        mend = f"raise {place}.new_tokens, or turn its thinking off by {place}.request"
    return none_parsed(f"{settings['endpoint']}: {settings['model']!r}", failed, f"{file} has them; {mend}")


def ask(
    prompts: list[str], limit: int, settings: dict, file: Path, say=print, side: str | None = None
) -> tuple[list[dict], Counter]:
    """Return the answer to each prompt, as `said` describes it, and counts; `limit` is in tokens.

    What `file` holds is not asked for; what comes is in it at once. With `side`, what is no profile of it is asked for
    once more (`better`). Raises InputError where the endpoint refuses, stays away, speaks another interface, or writes
    no profiles at all.
    """

    def key(body: dict) -> str:
        return digest(canonical([settings["endpoint"], body]))

    asked = [request(p, limit, settings) for p in prompts]
    bodies, doubt = {key(body): body for body in asked}, Doubt(settings, side, file)
    with open_answers(file) as (answers, keep):
        kept = {k: better(body, lambda b: answers.get(key(b)), side) for k, body in bodies.items()}
        found = {k: answer for k, answer in kept.items() if answer}
        for answer in found.values():
            doubt(answer)
        missing = {k: body for k, body in bodies.items() if k not in found}
        counts = Counter(asked=0, kept=len(found))
        if missing:
            say(f"{settings['name']}: {len(missing):,} prompts to {settings['endpoint']}, {counts['kept']:,} known")
            endpoint = Endpoint(settings)

            def fetch(body: dict) -> dict | None:
                if (k := key(body)) in answers:
                    return answers[k]
                if answer := endpoint.answer(body):
                    with doubt.lock:
                        counts["asked"] += 1
                    if answer.get("fault") not in ASKED_ANEW:
                        keep(k, answer)
                return answer

            found |= _gather(endpoint, missing, lambda body: better(body, fetch, side), doubt, say)
    answered = [found[key(body)] for body in asked]
    counts.update(f"malformed: {a['fault']}" for a in answered if "fault" in a)
    counts.update(f"asked again: {a['first']}" for a in answered if "first" in a)
    return answered, counts


def better(body: dict, fetch, side: str | None) -> dict | None:
    """Return the answer to a request: where it is no profile the second one, if that is; None where either lacks.

    fetch(body) -> answer or None. What has no text is not asked for again. `first` says what was wrong.
    """
    answer = fetch(body)
    if not (answer and answer["text"] and side):
        return answer
    reason = unparsed(answer, side)
    if reason is None or reason == THOUGHTS:
        return answer
    if (second := fetch(again(body, answer["text"], reason))) is None:
        return None
    chosen = answer if unparsed(second, side) else second
    return chosen | {"tokens": answer["tokens"] + second["tokens"], "first": reason}


def _gather(endpoint: Endpoint, bodies: dict[str, dict], answer_to, doubt: Doubt, say) -> dict[str, dict]:
    """Return the answers by key; requests that are under way are finished also when another has failed for good."""
    found, progress = {}, Progress(endpoint.settings["name"], "prompts answered", len(bodies), say)

    def work(key: str) -> None:
        try:
            if answer := answer_to(bodies[key]):
                found[key] = answer
                doubt(answer)
        except BaseException:
            endpoint.stop.set()  # at once: this thread would take the next prompt
            raise

    with endpoint.session, ThreadPoolExecutor(endpoint.settings["concurrency"]) as pool:
        futures = [pool.submit(work, key) for key in bodies]
        try:
            for future in as_completed(futures):
                future.result()
                progress(len(found))
        except BaseException:
            endpoint.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    faults = {answer.get("fault") for answer in found.values()}
    if faults <= set(ASKED_ANEW):
        told = next((f": {endpoint.clean(a['told'])}" for a in found.values() if "told" in a), "")
        raise InputError(
            f"{endpoint.url}: {len(found):,} answers and none in the form of OpenAI's interface "
            f"({', '.join(sorted(faults))}{told}); check {endpoint.place}.endpoint, which often ends in /v1"
        )
    return found


def write_side(ids, prompts: list[str], side: str, settings: dict, file: Path, say=print):
    """Return (frame of the PROFILES contract, record): the profiles that an endpoint writes of `ids` of one side."""
    answers, counts = ask(prompts, settings["new_tokens"][side], settings, file, say, side)
    made = [{"writer": settings["name"], "model": a["model"], "tokens": a["tokens"]} for a in answers]
    return compose(ids, prompts, [a["text"] for a in answers], side, made, counts, say)
