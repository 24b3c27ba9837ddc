"""A server on this machine that speaks OpenAI's interface, and fails as real ones do."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "secret-0123456789"
PROFILES = {
    "user": "Roles: tent fan; board fan; oven fan\nInterests: tents; boards; ovens",
    "item": "Audience roles: a; b; c; d; e\nAudience interests: f; g; h; i; j",
}


class FakeEndpoint:
    """Answers every prompt with a profile of its side, after the answers in `first`, oldest first.

    Each of these says how one request fails: {"status", "headers", "body"}, or {"stall": seconds}, or {"drop": True}.
    """

    def __init__(self):
        self.first, self.asked, self.open, self.most, self.delay = [], [], 0, 0, 0.0
        self.lock, fake = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with fake.lock:
                    fake.asked.append((self.path, dict(self.headers), body, time.monotonic()))
                    fake.open += 1
                    fake.most = max(fake.most, fake.open)
                    way = fake.first.pop(0) if fake.first else {}
                try:
                    time.sleep(way.get("stall", fake.delay))
                    if way.get("drop"):
                        self.close_connection = True
                        return
                    data = way.get("body", answer(body)).encode()
                    self.send_response(way.get("status", 200))
                    for name, value in way.get("headers", {}).items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with fake.lock:
                        fake.open -= 1

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def prompts(self) -> list[str]:
        """Return the prompts that were asked, in the order of their arrival."""
        return [body["messages"][0]["content"] for _, _, body, _ in self.asked]


def answer(body: dict, text: str | None = None) -> str:
    """Return the response to a request: by default a profile of the side that its prompt asks for."""
    side = "item" if "Audience roles" in body["messages"][0]["content"] else "user"
    message = {"role": "assistant", "content": PROFILES[side] if text is None else text}
    return json.dumps(
        {"model": "fake-1", "choices": [{"message": message}], "usage": {"completion_tokens": 7, "prompt_tokens": 9}}
    )
