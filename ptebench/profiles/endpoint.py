"""Asking a language model behind an OpenAI-compatible interface; an answer that came is kept and never asked for again.

Answers stand in a file of JSON lines that grows as they come. The key is read from the environment, leaves this
process in the request's header alone, and is struck out of what a server says.
"""

import json
import math
import os
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import requests

from ptebench.files import InputError
from ptebench.profiles.answers import kept
from ptebench.profiles.compose import TRIED, compose, none_parsed
from ptebench.profiles.parse import TAG, THOUGHTS, repaired, skeleton, without_thoughts
from ptebench.profiles.prompts import CONTRACT, digest, messages
from ptebench.provenance import canonical

PATIENCE = 120  # seconds without a byte after which a server counts as stalled
PAUSES = (1, 2, 4, 8, 16, 32, 64)  # seconds before each further try while no prompt at all is answered
LONGEST = 600  # seconds that a server may ask to wait
TELL_EVERY = 5  # seconds
PASSING = (408, 409, 425, 429)  # beside all from 500
ASKED_ANEW = ("no JSON", "no choices")  # faults of a server that may be well next time; others are its answer


class Passing(Exception):
    """A fault that may pass; `pause` is what the server asks to wait, in seconds."""

    def __init__(self, message: str, pause: float = 0.0):
        super().__init__(message)
        self.pause = pause


def key_of(name: str) -> str | None:
    """Return the key of a language model, None where its entry names no variable; raise InputError where it is unset.

    PTEBENCH_KEYS says which variable holds which key, as `NAME=VARIABLE ...`; the rules set it from the configuration.
    """
    variable = dict(pair.split("=") for pair in os.environ.get("PTEBENCH_KEYS", "").split()).get(name)
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        state = "holds no key" if key else "is not set"
        raise InputError(f"language_models.{name}.key_variable: the environment variable {variable} {state}; export it")
    return key


def request(prompt: str, limit: int, settings: dict) -> dict:
    """Return the body of the request for an answer of at most `limit` tokens."""
    fields = {"temperature": settings["temperature"], "seed": settings["seed"], "max_tokens": limit}
    fields = {k: v for k, v in (fields | settings["request"]).items() if v is not None}
    return {**fields, "model": settings["model"], "messages": messages(prompt)}


def seconds(header: str | None) -> float:
    """Return the seconds of a Retry-After header, which counts them or gives a date; 0 where it says neither."""
    try:
        pause = float(header or 0)
    except ValueError:
        try:
            pause = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return 0.0
    return max(pause, 0.0) if math.isfinite(pause) else 0.0


def again(body: dict, text: str, reason: str, side: str) -> dict:
    """Return the body of a second request, which says what is wrong with the answer to the first."""
    turns = [
        {"role": "assistant", "content": without_thoughts(text)},
        *messages(f"That is not the form ({reason}). {CONTRACT}\n{skeleton(side)}"),
    ]
    return {**body, "messages": body["messages"] + turns}


def words(value) -> str:
    """Return what a server's error says, wherever in it that stands."""
    if isinstance(value, list):
        return "; ".join(filter(None, map(words, value)))
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    for name in ("error", "errors", "message", "msg", "detail", "details", "error_description", "reason", "title"):
        if message := words(value.get(name)):
            place = value.get("loc")
            return f"{'.'.join(map(str, place))}: {message}" if isinstance(place, list) else message
    return json.dumps(value, ensure_ascii=False) if value else ""


def fault(response) -> tuple[set[str], str]:
    """Return (codes, message) of a server's refusal, both empty where it does not explain itself."""
    try:
        body = response.json()
    except ValueError:
        return set(), TAG.sub(" ", re.sub(r"(?s)<(style|script).*?</\1>", "", response.text))
    error = body.get("error") if isinstance(body, dict) and isinstance(body.get("error"), dict) else body
    codes = {str(error.get(name)) for name in ("code", "type")} if isinstance(error, dict) else set()
    return codes, words(body)


def joined(content) -> str:
    """Return the text of a message's content; of parts those that are text, no thoughts."""
    if isinstance(content, list):
        return "".join(map(joined, content))
    if isinstance(content, dict):
        return joined(content.get("text")) if content.get("type", "text") in ("text", "output_text") else ""
    return content if isinstance(content, str) else ""


def said(response) -> dict:
    """Return the answer in a response: text, tokens, the model that the server names; `fault` where text lacks."""
    try:
        body = response.json()
    except ValueError:
        return {"text": "", "tokens": 0, "model": None, "fault": "no JSON"}
    try:
        message = body["choices"][0]["message"]
        content, refusal = message.get("content"), message.get("refusal")
        thoughts = any(message.get(name) for name in ("reasoning_content", "reasoning", "thinking"))
        if not (thoughts or refusal or "content" in message):
            raise KeyError
    except (KeyError, IndexError, TypeError, AttributeError):
        return {"text": "", "tokens": 0, "model": None, "fault": "no choices"}
    usage = body.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    answer = {"text": joined(content), "tokens": tokens if isinstance(tokens, int) else 0, "model": body.get("model")}
    if not answer["text"].strip():
        thoughts |= isinstance(content, list) and any(content)
        return answer | {"text": "", "fault": "refusal" if refusal else THOUGHTS if thoughts else "empty text"}
    # an answer cut at its limit may end in half a character, which no file takes
    return answer | {"text": answer["text"].encode(errors="replace").decode()}


def unparsed(answer: dict, side: str) -> str | None:
    """Return why an answer is no profile, None where it is one."""
    fields, reason = repaired(answer["text"].strip(), side)
    return None if fields else answer.get("fault", reason)


class Endpoint:
    """One model behind one address, asked by several threads at once."""

    def __init__(self, settings: dict):
        """`settings` are those of the entry, and `name`, its name."""
        self.settings, self.place = settings, f"language_models.{settings['name']}"
        self.url = settings["endpoint"].rstrip("/") + "/chat/completions"
        self.secret = key_of(settings["name"])
        self.session = requests.Session()
        self.session.mount(self.url, requests.adapters.HTTPAdapter(pool_maxsize=settings["concurrency"]))
        # as a function, or requests would prefer what a .netrc says
        self.session.auth = self._sign
        self.answered, self.stop = 0, threading.Event()

    def _sign(self, prepared):
        if self.secret:
            prepared.headers["Authorization"] = f"Bearer {self.secret}"
        return prepared

    def answer(self, body: dict) -> dict | None:
        """Return the answer to a request, trying again as long as that helps; None where another request has failed.

        Raises InputError naming the endpoint and the mend.
        """
        failed, answered = 0, self.answered
        while not self.stop.is_set():
            try:
                answer = self._once(body)
                self.answered += 1
                return answer
            except (requests.RequestException, Passing) as error:
                if self.answered > answered:  # a busy server, not a dead one
                    failed, answered = 0, self.answered
                pause = getattr(error, "pause", 0.0)
                if failed == len(PAUSES) or pause > LONGEST:
                    wait = f"; it asks to wait {pause:,.0f} s" if pause > LONGEST else ""
                    raise InputError(
                        f"{self.url}: {self._clean(error)}{wait}; the answers so far are kept; see that the endpoint "
                        f"of {self.place} is up, or lower its 'concurrency', and run again"
                    ) from None
                self.stop.wait(max(PAUSES[failed], pause))
                failed += 1
        return None

    def _once(self, body: dict) -> dict:
        response = self.session.post(self.url, json=body, timeout=PATIENCE, allow_redirects=False)
        status = response.status_code
        if status == 200:
            answer = said(response)
            return answer | {"text": self._struck(answer["text"])}
        codes, message = fault(response)
        told = f"{status}: {self._clean(message)}".removesuffix(": ")
        if "content_filter" in codes:
            return {"text": "", "tokens": 0, "model": None, "fault": "content filter"}
        if "insufficient_quota" not in codes and (status in PASSING or status >= 500):
            raise Passing(told, seconds(response.headers.get("Retry-After")))
        raise InputError(f"{self.url}: {told}; {self._mend(status)}")

    def _mend(self, status: int) -> str:
        """Return what to do about a refusal that will stay."""
        if status in (401, 403):
            return f"the key is missing or refused; check the variable that {self.place}.key_variable names"
        if status == 404:
            return f"check {self.place}.model ({self.settings['model']!r}) and .endpoint, which often ends in /v1"
        if 300 <= status < 400:
            return f"it points elsewhere; name the final address under {self.place}.endpoint"
        return f"check the settings of {self.place} and the account behind its key"

    def _struck(self, text: str) -> str:
        """Return a text without the key, however it is spelled."""
        for spelling in (
            {self.secret, json.dumps(self.secret)[1:-1], quote(self.secret, safe="")} if self.secret else ()
        ):
            text = text.replace(spelling, "***")
        return text

    def _clean(self, text) -> str:
        """Return words of others on one line, short and without secrets."""
        text = re.sub(r"(?i)(bearer\s+|\bsk-)\S+", r"\1***", self._struck(" ".join(str(text).split())))
        return text if len(text) <= 300 else text[:299] + "…"


class Doubt:
    """Hears of answers one by one; raises InputError when TRIED have come and none is a profile of `side`."""

    def __init__(self, settings: dict, side: str | None, file: Path):
        self.settings, self.side, self.file = settings, side, file
        self.failed, self.lock = [], threading.Lock()

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
    with kept(file) as (answers, keep):
        found = {k: better(body, lambda b: answers.get(key(b)), side) for k, body in bodies.items()}
        found = {k: answer for k, answer in found.items() if answer}
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
    reason = unparsed(answer, side) if answer and answer["text"] and side else None
    if reason in (None, THOUGHTS):
        return answer
    if (second := fetch(again(body, answer["text"], reason, side))) is None:
        return None
    chosen = answer if unparsed(second, side) else second
    return chosen | {"tokens": answer["tokens"] + second["tokens"], "first": reason}


def _gather(endpoint: Endpoint, bodies: dict[str, dict], answer_to, doubt: Doubt, say) -> dict[str, dict]:
    """Return the answers by key; requests that are under way are finished also when another has failed for good."""
    found, shown = {}, time.monotonic()

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
                if time.monotonic() - shown > TELL_EVERY:
                    shown = time.monotonic()
                    say(f"{len(found):,} of {len(bodies):,} answered")
        except BaseException:
            endpoint.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    faults = {answer.get("fault") for answer in found.values()}
    if faults <= set(ASKED_ANEW):
        raise InputError(
            f"{endpoint.url}: {len(found):,} answers and none in the form of OpenAI's interface "
            f"({', '.join(sorted(faults))}); check {endpoint.place}.endpoint, which often ends in /v1"
        )
    return found


def written(ids, prompts: list[str], side: str, settings: dict, file: Path, say=print):
    """Return (frame of the PROFILES contract, record): the profiles that an endpoint writes of `ids` of one side."""
    answers, counts = ask(prompts, settings["new_tokens"][side], settings, file, say, side)
    made = [{"writer": settings["name"], "model": a["model"], "tokens": a["tokens"]} for a in answers]
    return compose(ids, prompts, [a["text"] for a in answers], side, made, counts, say)
