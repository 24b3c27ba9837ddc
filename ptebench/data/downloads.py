"""Downloads of publishers' files, whose addresses are in downloads.yaml: resumable, verified, complete or absent.

pooch cannot resume: it deletes its temporary file when a download breaks off, and also the file of a custom downloader
when the job is stopped during verification.
"""

import os
import re
import time
from functools import cache
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import yaml
from urllib3.exceptions import HTTPError

from ptebench.files import InputError, read_json, write_json
from ptebench.progress import Progress
from ptebench.provenance import file_digest

REGISTRY = Path(__file__).with_name("downloads.yaml")
PATIENCE = 60  # seconds without a byte after which a server counts as stalled
PAUSES = (1, 5, 25)  # seconds before each further try in a row that brought nothing
BLOCK = 1 << 20  # bytes
MEGABYTE = 1e6  # bytes
HOPS = 5  # redirects of one request
LENGTH = re.compile(r"\d{1,15}", re.ASCII)


@cache
def registry() -> list[dict]:
    """Return the entries of downloads.yaml."""
    return yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))


def find(path, settings: dict) -> dict | None:
    """Return the entry of downloads.yaml for a file of a dataset with these settings, or None.

    The keys are `licence`, and either `manual` or `url` and, where they are known, `bytes` and `sha256`.
    """
    for entry in registry():
        if any(settings.get(key) != value for key, value in entry["of"].items()):
            continue
        if "manual" in entry:
            return {"licence": entry["licence"], "manual": entry["manual"]}
        for name, facts in entry["files"].items():
            pattern = re.escape(name).replace(r"\{", "(?P<").replace(r"\}", r">\w+)")
            if match := re.search(f"(?:^|/){pattern}$", Path(path).as_posix()):
                return {"licence": entry["licence"], **facts, "url": facts["url"].format(**match.groupdict())}
    return None


def advice(path, facts: dict | None) -> str:
    """Return one sentence on how to get a file that is missing; `facts` is what `find` returned."""
    if facts is None:
        return f"{path}: no such file; check its name and data_root (downloads.yaml does not know it)"
    how = f"{facts['manual']}; put it there" if "manual" in facts else "`snakemake download` fetches it"
    return f"{path}: no such file; {how} (terms: {facts['licence']})"


def fetch(path: Path, facts: dict) -> dict:
    """Download and verify a file, move it to `path`, and return its record.

    After an interruption the partial file stays beside `path` for the next try. Raises InputError naming the URL.
    """
    url, part = facts["url"], path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    _download(url, part)
    digests = {"bytes": _size(part), "sha256": file_digest(part)}
    for key, value in digests.items():
        if facts.get(key, value) != value:
            part.unlink()
            _mark(part).unlink()
            raise InputError(
                f"{url}: expected {key} {facts[key]}, found {value}; what arrived was deleted; run `snakemake download`"
                " again, and if this stays, the publisher has changed the file (docs/guide/datasets.md)"
            )
    record = {
        "outputs": {str(path): digests["sha256"]},
        "bytes": digests["bytes"],
        "url": url,
        "version": read_json(_mark(part))["version"],
        "licence": facts["licence"],
        "verified": "bytes, sha256" if "sha256" in facts else "no: the publisher's checksum is unknown",
        "fetched": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    write_json(record, path.with_name(f"{path.name}.provenance.json"))
    part.replace(path)
    _mark(part).unlink()
    return record


def _mark(part: Path) -> Path:
    """Return the path of the file that stores the URL and the version of a partial download."""
    return part.with_name(f"{part.name}.json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _download(url: str, part: Path) -> None:
    """Download a whole file to `part`, with retries as long as bytes arrive; raise InputError when none do."""
    failures, most = 0, _size(part)
    while True:
        try:
            return _continue(url, part)
        except (requests.RequestException, HTTPError) as error:
            failures = 0 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures > len(PAUSES):
                raise InputError(
                    f"{url}: {error}; {_size(part):,} bytes have arrived and are kept; run `snakemake download` again"
                ) from error
            time.sleep(PAUSES[max(failures - 1, 0)])


def _continue(url: str, part: Path) -> None:
    """Append the missing bytes to `part`; start again where the server has another version or cannot tell."""
    earlier = read_json(_mark(part)) if _mark(part).exists() else {"url": None, "version": None}
    have = _size(part) if earlier["url"] == url and earlier["version"] else 0
    # a decoded body has other offsets than the file, and some servers name the file's own gzip as an encoding
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": str(earlier["version"])}
    with _get(url, headers) as response:
        there = response.headers.get("Content-Range", "")
        # servers that heed If-Range send another version whole; not all do
        same = _version(response) in (None, earlier["version"])
        if same and response.status_code == 416 and there == f"bytes */{have}":
            return  # all of it had come before the interruption
        if response.status_code in (206, 416) and not (same and there.startswith(f"bytes {have}-")):
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the file changed between two requests")
        _refuse(response)
        length = there.rpartition("/")[2]
        if response.status_code != 206:
            part.unlink(missing_ok=True)
            write_json({"url": url, "version": _version(response)}, _mark(part))
            have, length = 0, response.headers.get("Content-Length", "")
        total = int(length) if LENGTH.fullmatch(length) else None  # a chunked answer ends with a mark of its own
        progress = Progress(part.name, "MB", total and total / MEGABYTE, start=have / MEGABYTE)
        with open(part, "ab") as stream:
            # read1 hands over what has come, where other ways of reading drop a block that breaks off
            while block := response.raw.read1(BLOCK, decode_content=False):
                stream.write(block)
                progress(stream.tell() / MEGABYTE)
            stream.flush()
            os.fsync(stream.fileno())
    if _size(part) != (total or _size(part)):
        part.unlink()
        raise InputError(f"{part}: more came than {url} sends; see that no other download is at work, and run again")


def _get(url: str, headers: dict[str, str]) -> requests.Response:
    """Return the answer to a request; raise InputError where the server points to another host, or to no address."""
    at = url
    for _ in range(HOPS):
        response = requests.get(at, headers=headers, stream=True, timeout=PATIENCE, allow_redirects=False)
        if not response.is_redirect:
            return response
        response.close()
        there = urljoin(at, response.headers["Location"])
        old, new = urlsplit(at), urlsplit(there)
        if new.scheme not in ("http", "https") or (old.scheme, new.scheme) == ("https", "http"):
            raise InputError(f"{url}: it points to {plain(there)}, which is not followed; fetch the file by hand")
        if new.hostname != old.hostname:
            raise InputError(
                f"{url}: it points to another host, {plain(there)}; see whether that is the publisher's, and fetch the "
                "file by hand"
            )
        at = there
    raise InputError(f"{url}: it points elsewhere {HOPS} times over; fetch the file by hand")


def plain(url: str) -> str:
    """Return an address without user, password and query, which may be secrets, in characters that print."""
    parts = urlsplit(url)
    text = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


def _refuse(response) -> None:
    """Raise InputError for a permanent HTTP error, RequestException for a temporary one."""
    url, status = plain(response.url), response.status_code
    if status in (404, 410):
        raise InputError(
            f"{url}: the publisher has no such file ({status}); check the file's name and the release in the "
            "configuration, or whether the publisher has moved it (docs/guide/datasets.md)"
        )
    if 400 <= status < 500 and status not in (408, 429):
        raise InputError(f"{url}: the server refuses ({status} {response.reason}); fetch the file by hand")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise InputError(f"{url}: a web page came instead of the file; open it in a browser and fetch the file by hand")
    response.raise_for_status()
    # without a length, a file that breaks off looks whole
    length = response.headers.get("Content-Length", "0")
    if not (LENGTH.fullmatch(length) and int(length)) and "Transfer-Encoding" not in response.headers:
        raise InputError(f"{url}: the server sends nothing, or does not say how much; fetch the file by hand")


def _version(response) -> str | None:
    """Return the server's identifier of the file's version, None where it sends none."""
    tag = response.headers.get("ETag", "W/")
    # a weak tag may stay the same when bytes change
    return response.headers.get("Last-Modified") if tag.startswith("W/") else tag
