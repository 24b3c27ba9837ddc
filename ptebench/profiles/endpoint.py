"""Asking a language model behind an OpenAI-compatible interface; an answer that came is kept and never asked for again.

Answers stand in a file of JSON lines that grows as they come. The key is read from the environment, leaves this
process in the request's header alone, and is struck out of what a server says.
"""

import math
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests

from ptebench.files import InputError
from ptebench.profiles.answers import kept
from ptebench.profiles.compose import compose
from ptebench.profiles.prompts import digest, messages
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


def fault(response) -> tuple[str, str]:
    """Return (code, message) of a server's refusal, both empty where it does not explain itself."""
    try:
        error = response.json()["error"]
        return str(error.get("code") or ""), str(error.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""


def said(response) -> dict:
    """Return the answer in a response: text, tokens, the model that the server names; `fault` where text lacks."""
    try:
        body = response.json()
    except ValueError:
        return {"text": "", "tokens": 0, "model": None, "fault": "no JSON"}
    try:
        text = body["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return {"text": "", "tokens": 0, "model": None, "fault": "no choices"}
    usage = body.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    answer = {"text": text, "tokens": tokens if isinstance(tokens, int) else 0, "model": body.get("model")}
    if not isinstance(text, str) or not text.strip():
        return answer | {"text": "", "fault": "empty text"}
    # an answer cut at its limit may end in half a character, which no file takes
    return answer | {"text": text.encode(errors="replace").decode()}


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
            return said(response)
        code, message = fault(response)
        told = f"{status}{': ' if message else ''}{self._clean(message)}"
        if code == "content_filter":
            return {"text": "", "tokens": 0, "model": None, "fault": "content filter"}
        if code != "insufficient_quota" and (status in PASSING or status >= 500):
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

    def _clean(self, words) -> str:
        """Return words of others on one line, short and without the key."""
        words = " ".join(str(words).split())
        return (words.replace(self.secret, "***") if self.secret else words)[:300]


def ask(prompts: list[str], limit: int, settings: dict, file: Path, say=print) -> tuple[list[dict], Counter]:
    """Return the answer to each prompt, as `said` describes it, and counts; `limit` is in tokens.

    What `file` holds is not asked for; what comes is in it at once. Raises InputError where the endpoint refuses,
    stays away, or speaks another interface.
    """
    bodies = [request(p, limit, settings) for p in prompts]
    keys = [digest(canonical([settings["endpoint"], body])) for body in bodies]
    with kept(file) as (answers, keep):
        missing = {key: body for key, body in zip(keys, bodies) if key not in answers}
        counts = Counter(asked=len(missing), kept=len(set(keys)) - len(missing))
        if missing:
            say(f"{settings['name']}: {len(missing):,} prompts to {settings['endpoint']}, {counts['kept']:,} known")
            answers = answers | _gather(Endpoint(settings), missing, keep, say)
    found = [answers[key] for key in keys]
    counts.update(f"malformed: {a['fault']}" for a in found if "fault" in a)
    return found, counts


def _gather(endpoint: Endpoint, bodies: dict[str, dict], keep, say) -> dict[str, dict]:
    """Return the answers by key; each is kept when it comes, also while another request has failed for good."""
    found, shown = {}, time.monotonic()

    def work(key: str) -> None:
        try:
            answer = endpoint.answer(bodies[key])
        except BaseException:
            endpoint.stop.set()  # at once: this thread would take the next prompt
            raise
        if answer:
            found[key] = answer
            if answer.get("fault") not in ASKED_ANEW:
                keep(key, answer)

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
    answers, counts = ask(prompts, settings["new_tokens"][side], settings, file, say)
    made = [{"writer": settings["name"], "model": a["model"], "tokens": a["tokens"]} for a in answers]
    return compose(ids, prompts, [a["text"] for a in answers], side, made, counts, say)
