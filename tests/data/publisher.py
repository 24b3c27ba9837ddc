"""A publisher's server on this machine, on which every fault can be called up."""

import random
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

FIRST, SECOND = (random.Random(seed).randbytes(300_000) for seed in (1, 2))


class Publisher(ThreadingHTTPServer):
    """Serves one file under every path; `answers` says, request by request, what goes wrong."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.headers = FIRST, {"ETag": '"first"'}
        self.answers, self.asked, self.released = [], [], Event()
        self.root = f"http://127.0.0.1:{self.server_port}"
        self.url = f"{self.root}/file.gz"

    def __enter__(self):
        Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        answer = server.answers.pop(0) if server.answers else {}
        # content and headers stay as an answer changes them
        server.content, server.headers = answer.get("content", server.content), answer.get("headers", server.headers)
        status, start, extra = answer.get("status", 200), 0, {}
        validators = {server.headers.get("ETag"), server.headers.get("Last-Modified")}
        same = answer.get("careless") or self.headers.get("If-Range") in validators
        if asked and same and status == 200 and "no_ranges" not in answer:
            if "meanwhile" in answer:
                answer["meanwhile"]()
            start, total = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) - answer.get("early", 0), len(server.content)
            status = 206 if start < total else 416
            extra = {"Content-Range": f"bytes {start}-{total - 1}/{total}" if start < total else f"bytes */{total}"}
        body = server.content[start:] if status in (200, 206) else b""
        self.send_response(status)
        length = {} if "no_length" in answer else {"Content-Length": answer.get("length", len(body))}
        for name, value in {**server.headers, **extra, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: answer.get("cut")])
        if "stall" in answer:
            server.released.wait(30)
        self.close_connection = True

    def log_message(self, *_):
        pass
