"""A model behind an OpenAI-compatible address: requests, pauses, refusals.

The key is read from the environment, leaves this process in the request's header alone, and is struck out of what a
server says.
"""

import json
import math
import os
import re
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import requests

from ptebench.files import InputError
from ptebench.profiles.schema.headings import TAG
from ptebench.profiles.schema.thoughts import THOUGHTS

PATIENCE = 120  # seconds without a byte after which a server counts as stalled
PAUSES = (1, 2, 4, 8, 16, 32, 64)  # seconds before each further try while no prompt at all is answered
LONGEST = 600  # seconds that a server may ask to wait
PASSING = (408, 409, 425, 429)  # beside all from 500


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


def seconds(header: str | None) -> float:
    """Return the seconds of a Retry-After header, which counts them or gives a date; 0 where it says neither."""
    header = header or "0"
    try:
        pause = float(header)
    except ValueError:
        try:
            pause = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return 0.0
    return max(pause, 0.0) if math.isfinite(pause) else 0.0


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
    except (ValueError, RecursionError):
        return set(), TAG.sub(" ", re.sub(r"(?s)<(style|script).*?</\1>", "", response.text))
    error = body.get("error") if isinstance(body, dict) and isinstance(body.get("error"), dict) else body
    codes = {str(error.get(name)) for name in ("code", "type")} if isinstance(error, dict) else set()
    return codes, words(body)


def joined(content) -> str:
    """Return the text of a message's content; of parts those that are text, no thoughts."""
    if isinstance(content, list):
        return "".join(map(joined, content))
    if isinstance(content, dict):
        told = next((content[name] for name in ("text", "value", "content") if name in content), None)
        return joined(told) if content.get("type", "text") in ("text", "output_text") else ""
    return content if isinstance(content, str) else ""


def said(response) -> dict:
    """Return the answer in a response: text, tokens, the model that the server names; `fault` where text lacks."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {"text": "", "tokens": 0, "model": None, "fault": "no JSON"}
    try:
        message, filtered = body["choices"][0]["message"], body["choices"][0].get("finish_reason") == "content_filter"
        content = message.get("content")
        parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
        refusal = message.get("refusal") or any(part.get("type") == "refusal" for part in parts)
        names = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
        thoughts = any(message.get(name) for name in names)
        if not (thoughts or refusal or filtered or "content" in message):
            raise KeyError
    except (KeyError, IndexError, TypeError, AttributeError):
        told = words(body["error"]) if isinstance(body, dict) and body.get("error") else ""
        return {"text": "", "tokens": 0, "model": None, "fault": "no choices"} | ({"told": told} if told else {})
    usage, name = body.get("usage"), body["model"] if isinstance(body.get("model"), str) else None
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    answer: dict[str, Any] = {
        "text": joined(content),
        "tokens": tokens if isinstance(tokens, int) else 0,
        "model": name,
    }
    if not answer["text"].strip():
        thoughts |= isinstance(content, list) and any(content)
        fault = "content filter" if filtered else "refusal" if refusal else THOUGHTS if thoughts else "empty text"
        return answer | {"text": "", "fault": fault}
    # an answer cut at its limit may end in half a character, which no file takes
    return answer | {"text": answer["text"].encode(errors="replace").decode()}


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
                        f"{self.url}: {self.clean(error)}{wait}; the answers so far are kept; see that the endpoint "
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
            return answer | {key: self._struck(text) for key, text in answer.items() if isinstance(text, str)}
        codes, message = fault(response)
        told = f"{status}: {self.clean(message)}".removesuffix(": ")
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

    def clean(self, text) -> str:
        """Return words of others on one line, short and without secrets."""
        text = re.sub(r"(?i)(bearer\s+|\bsk-)\S+", r"\1***", self._struck(" ".join(str(text).split())))
        return text if len(text) <= 300 else text[:299] + "…"
