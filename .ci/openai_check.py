"""OpenAI's official Python SDK against `mediagen serve --sandbox` with keys: it must not tell the difference.

usage: openai_check.py URL FOLDER OWN READER STRANGER POOR

URL has no /v1. The keys: OWN may do everything in its tenant; READER, of the same tenant, may only
look; STRANGER, of another tenant, may use gen4_image alone; POOR may spend a cent a day.
"""

import asyncio
import base64
import hashlib
import pathlib
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings

import openai

from facts import expect, told

PROMPT = "A serene lake at dawn [sandbox:seconds=1]"
UNKNOWN = "video_01900000000070008000000000000000"


class Counted:
    """A client of the SDK that counts the requests which it sends, repeats included."""

    def __init__(self, base_url: str, key: str) -> None:
        self.sent = 0
        http = openai.DefaultHttpxClient(event_hooks={"request": [self.count]})
        self.client = openai.OpenAI(api_key=key, base_url=base_url, http_client=http)

    def count(self, _request) -> None:
        self.sent += 1


class Lossy:
    """A way to the server on which the first answer is lost, once the server has begun to give it."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.server = (host, int(port))
        self.lost = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.server)
            for way in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.carry, args=way, daemon=True).start()

    def carry(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        try:
            while piece := source.recv(1 << 16):
                if is_answer and not self.lost:
                    self.lost += 1
                    break
                target.sendall(piece)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def main(url: str, folder: str, own: str, reader: str, stranger: str, poor: str) -> None:
    # The SDK says of every call here that OpenAI's own service for it has ended.
    warnings.simplefilter("ignore", DeprecationWarning)
    place = pathlib.Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    counted = Counted(f"{url}/v1", own)
    client = counted.client
    told(f"openai {openai.__version__}")
    picture = images(client, url, place)
    first = text_to_video(client, place)
    second = image_to_video(client, place, picture)
    typed(url, own, picture)
    without_prefix(url, own, first)
    asyncio.run(asynchronous(url, own, first))
    forms(client)
    once(counted)
    lost_answers(client, url, own)
    impatient(counted)
    ended = failed(client)
    deleted = deletions(client)
    listed(client, {first, second, ended}, deleted)
    refusals(client)
    not_offered(counted, first)
    models(client)
    keys(url, first, own, reader, stranger, poor)


def images(client: openai.OpenAI, url: str, place: pathlib.Path) -> pathlib.Path:
    prompt = "A lake [sandbox:seconds=1]"
    raw = client.images.with_raw_response.generate(
        model="gen4_image", prompt=prompt, size="1920x1080", n=2, response_format="url"
    )
    made = raw.parse()
    assert len(made.data) == 2 and made.created > time.time() - 600, made
    assert raw.headers["x-litellm-response-cost"] == "0.16", dict(raw.headers)
    for image in made.data:
        assert image.b64_json is None and image.url.startswith(f"{url}/v1/files/"), image
        with urllib.request.urlopen(image.url, timeout=60) as response:
            assert response.headers["content-type"] == "image/png", response.headers.items()
            assert png_size(response.read()) == (1920, 1080)
        expect_status((401, 403, 404), tampered(image.url))
    told("images.generate: two addresses of ours, read without a key; a changed one is refused")
    made = client.images.generate(
        model="gen4_image", prompt=prompt, size="1280x720", response_format="b64_json"
    )
    (image,) = made.data
    assert image.url is None, image
    picture = place / "lake.png"
    picture.write_bytes(base64.b64decode(image.b64_json))
    assert png_size(picture.read_bytes()) == (1280, 720)
    told(f"images.generate: b64_json of {picture.stat().st_size} bytes")
    return picture


def text_to_video(client: openai.OpenAI, place: pathlib.Path) -> str:
    raw = client.videos.with_raw_response.create(
        model="gen4.5", prompt=PROMPT, seconds="5", size="1280x720"
    )
    video = raw.parse()
    call = raw.headers["x-litellm-call-id"]
    assert video.id.startswith("video_") and call.startswith("task_"), (video, call)
    assert video.id.removeprefix("video_") == call.removeprefix("task_"), (video, call)
    assert raw.headers["x-litellm-response-cost"] == "0.6", dict(raw.headers)
    assert video._request_id and video._request_id == raw.headers["x-request-id"], video
    assert video.status in ("queued", "in_progress") and 0 <= video.progress < 100, video
    assert (video.object, video.seconds, video.size) == ("video", "5", "1280x720"), video
    assert (video.model, video.prompt, video.error) == ("gen4.5", PROMPT, None), video
    assert abs(video.created_at - time.time()) < 600 and video.completed_at is None, video
    told(f"create: {video.id} with x-request-id, cost and call id")
    done = client.videos.poll(video.id)
    completed(done)
    assert done.usage["duration_seconds"] == 5 and done.usage["cost_usd"] == 0.6, done
    assert client.videos.retrieve(video.id) == done
    downloads(client, done.id, place)
    return done.id


def completed(video) -> None:
    assert (video.status, video.progress, video.error) == ("completed", 100, None), video
    assert video.created_at <= video.completed_at < video.expires_at, video


def downloads(client: openai.OpenAI, video_id: str, place: pathlib.Path) -> None:
    target = place / "output.mp4"
    client.videos.download_content(video_id).write_to_file(target)
    content = target.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    with client.videos.with_streaming_response.download_content(video_id, variant="video") as answer:
        headers = answer.headers
        assert b"".join(answer.iter_bytes()) == content, "a second download differs"
    assert headers["etag"].strip('"') == digest, dict(headers)
    assert headers["content-type"] == "video/mp4", dict(headers)
    assert headers["content-length"] == str(len(content)), dict(headers)
    assert headers["accept-ranges"] == "bytes", dict(headers)
    name = f'attachment; filename="{video_id}.mp4"'
    assert headers["content-disposition"] == name, dict(headers)
    told(f"download_content: {len(content)} bytes, ETag is their SHA-256")
    part = client.videos.with_raw_response.download_content(
        video_id, extra_headers={"Range": "bytes=1000-1999", "If-Range": f'"{digest}"'}
    )
    assert part.http_response.status_code == 206, part.http_response
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(content)}", dict(part.headers)
    assert part.content == content[1000:2000], "the range differs"
    told("download_content: a range")
    beyond = expect(
        openai.APIStatusError,
        lambda: client.videos.download_content(
            video_id, extra_headers={"Range": f"bytes={len(content)}-"}
        ),
    )
    assert beyond.status_code == 416, beyond
    wrong = expect(
        openai.BadRequestError,
        lambda: client.videos.download_content(video_id, extra_query={"variant": "film"}),
    )
    assert wrong.param == "variant", wrong.body
    told("download_content: a range beyond the end is 416, an unknown variant a bad request")


def image_to_video(client: openai.OpenAI, place: pathlib.Path, picture: pathlib.Path) -> str:
    """A local file in each way that the SDK takes one; the first is waited for."""
    begun = time.monotonic()
    with picture.open("rb") as file:
        video = client.videos.create_and_poll(
            model="gen4_turbo", prompt=PROMPT, input_reference=file, seconds="5", size="1280x720"
        )
    completed(video)
    client.videos.download_content(video.id).write_to_file(place / "rain.mp4")
    told(f"create_and_poll: from a local image in {time.monotonic() - begun:.1f} s")
    ways = {
        "a path": picture,
        "bytes": picture.read_bytes(),
        "a tuple": ("/tmp/lake", picture.read_bytes(), "application/octet-stream"),
    }
    for what, file in ways.items():
        one = client.videos.create(model="gen4_turbo", prompt=PROMPT, input_reference=file)
        assert one.status in ("queued", "in_progress"), one
        told(f"create: an image as {what}")
    wrong = expect(
        openai.BadRequestError,
        lambda: client.videos.create(
            model="gen4_turbo", prompt=PROMPT, input_reference=("a.png", b"no image", "image/png")
        ),
    )
    assert wrong.param.startswith("input_reference"), wrong.body
    told("create: a file that is no image is a bad request")
    return video.id


def typed(url: str, key: str, picture: pathlib.Path) -> None:
    """A client that checks every type, and a create that says no length."""
    client = openai.OpenAI(api_key=key, base_url=f"{url}/v1", _strict_response_validation=True)
    made = client.videos.create(model="gen4_turbo", prompt=PROMPT, input_reference=picture)
    assert (made.seconds, made.size) == ("5", "1280x720"), made
    done = client.videos.poll(made.id)
    completed(done)
    assert done.usage["cost_usd"] == made.usage["cost_usd"] == 0.25, (made.usage, done.usage)
    failing = f"{PROMPT} [sandbox:fail=SAFETY.INPUT.TEXT]"
    failed = client.videos.create_and_poll(model="gen4_turbo", prompt=failing, input_reference=picture)
    assert (failed.status, failed.seconds) == ("failed", "5"), failed
    assert client.videos.delete(made.id).deleted
    made = client.images.generate(model="gen4_image", prompt=PROMPT)
    assert made.usage.total_tokens == 0, made
    told("every type is as the SDK declares it, also where no length was asked for")


def without_prefix(url: str, key: str, video_id: str) -> None:
    client = openai.OpenAI(api_key=key, base_url=url)
    assert client.videos.retrieve(video_id).id == video_id
    assert any(model.id == "gen4.5" for model in client.models.list())
    told("the same without /v1")


async def asynchronous(url: str, key: str, video_id: str) -> None:
    async with openai.AsyncOpenAI(api_key=key, base_url=f"{url}/v1") as client:
        seen, listed_first = await asyncio.gather(
            client.videos.retrieve(video_id), anext(aiter(client.videos.list(limit=1)))
        )
        content = await client.videos.download_content(video_id)
        size = len(await content.aread())
    assert seen.id == video_id and listed_first.id and size > 1000, (seen, listed_first, size)
    told("the same with the asynchronous client")


def forms(client: openai.OpenAI) -> None:
    """What the SDK flattens into a form is read with the types that the model has."""
    further = {"ratio": "1280:720", "seed": 7, "metadata": {"team": "x"}}
    video = client.videos.create(prompt=PROMPT, extra_body=further)
    assert video.size == "1280x720" and video.model, video
    wrong = expect(
        openai.BadRequestError,
        lambda: client.videos.create(prompt=PROMPT, model="gen4.5", extra_body={"seed": "seven"}),
    )
    assert wrong.param == "seed", wrong.body
    told(f"create: only a prompt makes {video.model}; ratio, seed and metadata as further fields")


def once(counted: Counted) -> None:
    client, key = counted.client, {"Idempotency-Key": f"ci-{time.time_ns()}"}
    first = client.videos.create(prompt=PROMPT, model="gen4.5", extra_headers=key)
    again = client.videos.create(prompt=PROMPT, model="gen4.5", extra_headers=key)
    assert first.id == again.id, (first, again)
    before = counted.sent
    other = expect(
        openai.ConflictError,
        lambda: client.videos.create(prompt=PROMPT + "!", model="gen4.5", extra_headers=key),
    )
    assert other.type == "idempotency_error" and counted.sent == before + 1, (other, counted.sent)
    told("an Idempotency-Key makes one video; with another body it is a conflict, asked once")


def lost_answers(client: openai.OpenAI, url: str, key: str) -> None:
    """The SDK repeats by itself what it got no answer to: nothing is made, and paid for, twice."""

    def video(lossy: openai.OpenAI) -> None:
        assert lossy.videos.create(prompt=prompt, model="gen4.5").id

    def image(lossy: openai.OpenAI) -> None:
        assert lossy.images.generate(prompt=prompt, model="gen4_image").data[0].url

    for make in (video, image):
        prompt = f"A lake that is lost {time.time_ns()} [sandbox:seconds=1]"
        before = len(list(client.videos.list(limit=100)))
        way = Lossy(url)
        make(openai.OpenAI(api_key=key, base_url=f"{way.url}/v1"))
        made = len(list(client.videos.list(limit=100))) - before
        assert (way.lost, made) == (1, 1), (way.lost, made)
        told(f"the answer to a create of {make.__name__} is lost, and asked for again: one is made")


def impatient(counted: Counted) -> None:
    """An image takes longer than the SDK waits: it is told which before it gives up, and repeats."""
    counted.sent = 0
    slow = counted.client.with_options(timeout=6)
    late = expect(
        openai.InternalServerError,
        lambda: slow.images.generate(prompt="A lake [sandbox:seconds=8]"),
    )
    assert (late.status_code, counted.sent) == (504, 1), (late, counted.sent)
    call = late.response.headers["x-litellm-call-id"].replace("task_", "image_")
    assert call in late.message, (call, late.message)
    assert counted.client.videos.poll(call).status == "completed", call
    told("images.generate: the end of the wait names the image, which is made, once")


def failed(client: openai.OpenAI) -> str:
    prompt = "A lake [sandbox:seconds=1] [sandbox:fail=SAFETY.INPUT.TEXT]"
    video = client.videos.create_and_poll(prompt=prompt, model="gen4.5")
    assert video.status == "failed" and video.error.code and video.error.message, video
    missing = expect(openai.NotFoundError, lambda: client.videos.download_content(video.id))
    told(f"a failed video says {video.error.code}; its content: {missing.code}")
    return video.id


def deletions(client: openai.OpenAI) -> str:
    live = client.videos.create(prompt="A lake [sandbox:seconds=90]", model="gen4.5").id
    early = expect(openai.NotFoundError, lambda: client.videos.download_content(live))
    assert early.code == "video_not_ready" and early.response.headers["retry-after"], early
    told("content that is not ready is not found yet")
    answer = client.videos.delete(live)
    assert (answer.id, answer.object) == (live, "video.deleted"), answer
    cancelled = client.videos.poll(live)
    assert (cancelled.status, cancelled.error.code) == ("failed", "cancelled"), cancelled
    told(f"delete of a live one cancels it: {answer.to_dict()}")
    done = client.videos.create_and_poll(prompt=PROMPT, model="gen4.5").id
    answer = client.videos.delete(done)
    assert (answer.id, answer.object, answer.deleted) == (done, "video.deleted", True), answer
    for call in (client.videos.retrieve, client.videos.download_content, client.videos.delete):
        expect(openai.NotFoundError, lambda call=call: call(done))
    told(f"delete of a finished one removes it: {answer.to_dict()}")
    return done


def listed(client: openai.OpenAI, there: set, deleted: str) -> None:
    newest = client.videos.list()
    assert newest.object == "list" and newest.first_id == newest.data[0].id, newest
    pages = [page.data for page in client.videos.list(limit=4).iter_pages()]
    assert len(pages) >= 3 and all(len(page) == 4 for page in pages[:-1]), list(map(len, pages))
    falling = [video.id for video in client.videos.list(limit=4)]
    rising = [video.id for video in client.videos.list(limit=4, order="asc")]
    assert falling == rising[::-1] and len(set(falling)) == len(falling), (falling, rising)
    assert there <= set(falling) and deleted not in falling, falling
    born = [video.created_at for video in client.videos.list(order="desc")]
    assert born == sorted(born, reverse=True), born
    told(f"list: {len(falling)} in {len(pages)} pages, the same in both orders")
    for query in ({"limit": "many"}, {"order": "up"}, {"after": "video_x"}):
        (field,) = query
        wrong = expect(openai.BadRequestError, lambda query=query: client.videos.list(extra_query=query))
        assert wrong.param == field, wrong.body
    told("list: a wrong limit, order or cursor is a bad request that names it")


def refusals(client: openai.OpenAI) -> None:
    cases = {
        "size": {"size": "1x1"},
        "seconds": {"seconds": "99"},
        "model": {"model": "gen0"},
        "prompt": {"prompt": ""},
        "colour": {"model": "veo3.1", "seconds": "8", "size": "1280x720", "extra_body": {"colour": "red"}},
    }
    for param, case in cases.items():
        request = {"model": "gen4.5", "prompt": "A lake", **case}
        wrong = expect(openai.BadRequestError, lambda request=request: client.videos.create(**request))
        assert wrong.param == param and wrong.type == "invalid_request_error", (param, wrong.body)
        assert wrong.code and wrong.request_id, (wrong.code, wrong.request_id)
    expect(openai.BadRequestError, lambda: client.videos.create(prompt="A lake", seconds="abc"))
    told(f"create: bad requests that name {', '.join(cases)}")
    swapped = expect(
        openai.BadRequestError, lambda: client.videos.create(prompt="A lake", model="gen4_image")
    )
    assert swapped.param == "model", swapped.body
    swapped = expect(
        openai.BadRequestError, lambda: client.images.generate(prompt="A lake", model="gen4.5")
    )
    assert swapped.param == "model", swapped.body
    for param, case in {"size": {"size": "7x7"}, "n": {"n": 0}}.items():
        wrong = expect(
            openai.BadRequestError,
            lambda case=case: client.images.generate(prompt="A lake", model="gen4_image", **case),
        )
        assert wrong.param == param, (param, wrong.body)
    told("a model on the wrong route, and a bad image request, say so")
    for video_id in (UNKNOWN, "video_x", "no/such?thing"):
        expect(openai.NotFoundError, lambda video_id=video_id: client.videos.retrieve(video_id))
    told("an unknown id is not found")


def not_offered(counted: Counted, video_id: str) -> None:
    client, before = counted.client, counted.sent
    calls = (
        lambda: client.videos.remix(video_id, prompt="At night"),
        lambda: client.post("/videos/edits", body={"prompt": "At night"}, cast_to=object),
        lambda: client.post("/videos/extensions", body={"prompt": "Longer"}, cast_to=object),
    )
    for call in calls:
        refused = expect(openai.InternalServerError, call)
        assert (refused.status_code, refused.type) == (501, "not_supported"), refused
    assert counted.sent == before + len(calls), "the SDK repeated what is not offered"
    told("remix, edits and extensions are not offered, asked once each")


def models(client: openai.OpenAI) -> None:
    known = {model.id: model for model in client.models.list()}
    assert {"gen4.5", "gen4_turbo", "gen4_image"} <= set(known), sorted(known)
    assert all(model.object == "model" and model.owned_by for model in known.values()), known
    told(f"models: {len(known)}")


def keys(url: str, video_id: str, own: str, reader: str, stranger: str, poor: str) -> None:
    wrong = Counted(f"{url}/v1", "mg_wrong")
    refused = expect(openai.AuthenticationError, lambda: wrong.client.videos.retrieve(video_id))
    assert refused.type == "authentication_error" and wrong.sent == 1, refused.body
    expect_status((401,), f"{url}/v1/videos/{video_id}")
    for name in ("x-api-key", "x-litellm-api-key"):
        request = urllib.request.Request(f"{url}/v1/videos/{video_id}", headers={name: own})
        with urllib.request.urlopen(request, timeout=60) as response:
            assert response.status == 200
    told("keys: a wrong one and none are refused; three headers are taken")
    client = Counted(f"{url}/v1", reader).client
    assert client.videos.retrieve(video_id).id == video_id
    for call in (
        lambda: client.videos.create(prompt=PROMPT),
        lambda: client.videos.delete(video_id),
    ):
        assert expect(openai.PermissionDeniedError, call).type == "permission_error"
    told("keys: one that may look may not make or remove")
    client = Counted(f"{url}/v1", stranger).client
    for call in (client.videos.retrieve, client.videos.download_content, client.videos.delete):
        expect(openai.NotFoundError, lambda call=call: call(video_id))
    assert list(client.videos.list()) == []
    assert {model.id for model in client.models.list()} == {"gen4_image"}
    expect(openai.PermissionDeniedError, lambda: client.videos.create(prompt="A", model="gen4.5"))
    told("keys: a stranger sees nothing of others, and only its model")
    counted = Counted(f"{url}/v1", poor)
    spent = expect(openai.RateLimitError, lambda: counted.client.videos.create(prompt=PROMPT))
    assert spent.type == "insufficient_quota" and counted.sent == 1, (spent.body, counted.sent)
    told("keys: a spent budget is a RateLimitError that the SDK does not repeat")
    paced(counted)


def paced(counted: Counted) -> None:
    """The key's calls a minute are few: the SDK is told how long to wait, and waits when let."""
    once_only = counted.client.with_options(max_retries=0)
    refused = expect(openai.RateLimitError, lambda: [once_only.models.list() for _ in range(30)])
    wait = int(refused.response.headers["retry-after"])
    assert refused.type == "rate_limit_error" and 0 < wait <= 60, refused.body
    begun, before = time.monotonic(), counted.sent
    assert list(counted.client.models.list())
    assert counted.sent > before + 1 and time.monotonic() - begun > 0.5, "it was not repeated"
    told(f"keys: too fast is a RateLimitError; asked again after {wait} s, it is answered")


def png_size(content: bytes) -> tuple:
    assert content[:8] == b"\x89PNG\r\n\x1a\n", content[:16]
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def tampered(url: str) -> str:
    """The address with one character of its middle changed."""
    at = len(url) - 12
    return url[:at] + ("b" if url[at] == "a" else "a") + url[at + 1 :]


def expect_status(wanted: tuple, url: str) -> None:
    try:
        urllib.request.urlopen(url, timeout=60)
    except urllib.error.HTTPError as error:
        assert error.code in wanted, (error.code, url)
        assert b'"error"' in error.read()
    else:
        raise AssertionError(f"wanted {wanted} of {url}")


if __name__ == "__main__":
    main(*sys.argv[1:])
