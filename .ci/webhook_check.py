"""Webhooks of `mediagen serve --sandbox`, verified and read by OpenAI's official Python SDK.

usage: webhook_check.py URL PORT SECRET

Listens on PORT of 127.0.0.1, which the server's configuration allows; SECRET is what
`mediagen webhooks secret` prints.
"""

import http.server
import queue
import sys
import threading
import warnings

import openai

from facts import expect, told

EVENTS: queue.Queue = queue.Queue()


class Receiver(http.server.BaseHTTPRequestHandler):
    """Refuses the first call of each event, so that each is repeated."""

    seen: set = set()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        name = self.headers["webhook-id"]
        is_first = name not in self.seen
        self.seen.add(name)
        self.send_response(500 if is_first else 204)
        self.send_header("content-length", "0")
        self.end_headers()
        EVENTS.put((is_first, body, dict(self.headers.items())))

    def log_message(self, *_args) -> None:
        pass


def main(url: str, port: str, secret: str) -> None:
    # The SDK says of every call here that OpenAI's own service for it has ended.
    warnings.simplefilter("ignore", DeprecationWarning)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = openai.OpenAI(api_key="sk-1234", base_url=f"{url}/v1", webhook_secret=secret)
    told_of = {"webhook_url": f"http://127.0.0.1:{port}/hook"}
    for kind, marker in {"completed": "", "failed": " [sandbox:fail=SAFETY.INPUT.TEXT]"}.items():
        prompt = f"A lake [sandbox:seconds=1]{marker}"
        video = client.videos.create(prompt=prompt, model="gen4.5", extra_body=told_of)
        first, again = next_event(), next_event()
        assert (first[0], again[0]) == (True, False), "it was not repeated after a 500"
        assert first[1] == again[1] and first[2]["webhook-id"] == again[2]["webhook-id"], (first, again)
        for _, body, headers in (first, again):
            event = client.webhooks.unwrap(body, headers)
            assert event.type == f"video.{kind}" and event.object == "event", event
            assert event.data.id == video.id and event.id == headers["webhook-id"], event
        forged = body.replace(b"video.", b"video_", 1)
        expect(openai.InvalidWebhookSignatureError, lambda: client.webhooks.unwrap(forged, headers))
        told(f"webhook: {event.type} of {video.id}, verified, repeated after a 500 as the same event")
    wrong = expect(
        openai.BadRequestError,
        lambda: client.videos.create(
            prompt="A lake", model="gen4.5", extra_body={"webhook_url": "http://127.0.0.1:1/hook"}
        ),
    )
    assert wrong.param == "webhook_url", wrong.body
    told("webhook: an address that is not allowed is a bad request")


def next_event() -> tuple:
    is_first, body, headers = EVENTS.get(timeout=60)
    return is_first, body, {name.lower(): value for name, value in headers.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
