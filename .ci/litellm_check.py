"""The LiteLLM SDK against `mediagen serve --sandbox`, and with Runway's own wire against `mediagen sandbox`.

usage: litellm_check.py URL KEYED_URL RUNWAY_URL FOLDER

URL is a server without keys whose configuration is that of LiteLLM's documents (gen4-turbo),
KEYED_URL one with keys, RUNWAY_URL a sandbox; all without /v1.
"""

import asyncio
import os
import pathlib
import sys
import time
import urllib.request

# Its table of prices is then the one that it came with, and it asks nobody.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["RUNWAYML_API_KEY"] = "key_" + "0" * 128

import litellm
from importlib.metadata import version

from facts import expect, told

litellm.suppress_debug_info = True

ALIAS = "openai/gen4-turbo"
IMAGES = "openai/gen4_image"
PROMPT = "A serene lake with mountains in the background [sandbox:seconds=1]"
ADDRESS = "https://example.com/lake.jpg"
UNKNOWN = "video_01900000000070008000000000000000"


def main(url: str, keyed_url: str, runway_url: str, folder: str) -> None:
    place = pathlib.Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    told(f"litellm {version('litellm')}, openai {version('openai')}")
    ours = {"api_base": f"{url}/v1", "api_key": "sk-1234"}
    picture = images(ours, url, place)
    workflow(ours, place)
    ways(ours, picture)
    without_prefix({"api_base": url, "api_key": "sk-1234"})
    asyncio.run(asynchronous(ours))
    listed(ours)
    refusals(ours, keyed_url)
    runway(f"{runway_url}/v1", place)


def images(ours: dict, url: str, place: pathlib.Path) -> pathlib.Path:
    prompt = "A serene mountain landscape at sunset [sandbox:seconds=1]"
    made = litellm.image_generation(model=IMAGES, prompt=prompt, size="1920x1080", n=2, **ours)
    assert len(made.data) == 2, made
    for image in made.data:
        assert image.url.startswith(f"{url}/v1/files/"), image
    with urllib.request.urlopen(made.data[0].url, timeout=60) as response:
        content = response.read()
    assert content[:8] == b"\x89PNG\r\n\x1a\n", content[:16]
    picture = place / "lake.png"
    picture.write_bytes(content)
    # It takes no `response_format` for a model that it does not know, except so.
    inline = litellm.image_generation(
        model=IMAGES, prompt=prompt, extra_body={"response_format": "b64_json"}, **ours
    )
    assert inline.data[0].b64_json and inline.data[0].url is None, inline.data[0].url
    told(f"image_generation: two addresses of ours, {len(content)} bytes; b64_json")
    return picture


def workflow(ours: dict, place: pathlib.Path) -> None:
    """The documents' complete workflow, with its cost, as `openai/` and our model."""
    litellm.register_model(
        {
            ALIAS: {
                "litellm_provider": "openai",
                "mode": "video_generation",
                "output_cost_per_video_per_second": 0.05,
            }
        }
    )
    created = litellm.video_generation(
        model=ALIAS, prompt=PROMPT, input_reference=ADDRESS, seconds=5, size="1280x720", **ours
    )
    assert created.id.startswith("video_") and created.status in ("queued", "in_progress"), created
    assert (created.seconds, created.size, created.model) == ("5", "1280x720", "gen4-turbo"), created
    cost = litellm.completion_cost(created, model=ALIAS, call_type="create_video")
    done = ended(created.id, ours)
    assert (done.status, done.progress) == ("completed", 100), done
    assert done.usage["cost_usd"] == cost == 0.25, (done.usage, cost)
    content = litellm.video_content(video_id=created.id, **ours)
    assert content == litellm.video_content(video_id=created.id, variant="video", **ours)
    (place / "output.mp4").write_bytes(content)
    told(f"video_generation, video_status, video_content: {len(content)} bytes for {cost} dollars")


def ended(video_id: str, server: dict):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        video = litellm.video_status(video_id=video_id, **server)
        if video.status in ("completed", "failed"):
            return video
        time.sleep(0.5)
    raise AssertionError(f"{video_id} did not end")


def ways(ours: dict, picture: pathlib.Path) -> None:
    with picture.open("rb") as file:
        inputs = {
            "an open file": {"input_reference": file},
            "bytes": {"input_reference": picture.read_bytes()},
            "further fields": {"input_reference": ADDRESS, "ratio": "1280:720", "seed": 7},
            "an extra body": {"input_reference": ADDRESS, "extra_body": {"ratio": "1280:720", "seed": 7}},
            "our provider's name": {"model": "openai/runwayml/gen4_turbo", "input_reference": ADDRESS},
            "no length": {"input_reference": ADDRESS, "user": "somebody", "seconds": None},
        }
        for what, more in inputs.items():
            request = {"model": ALIAS, "prompt": PROMPT, "seconds": 5, **more, **ours}
            video = ended(litellm.video_generation(**request).id, ours)
            assert video.status == "completed", (what, video)
            seen = (video.size, video.seconds, video.usage["cost_usd"])
            assert seen == ("1280x720", "5", 0.25), (what, video)
    told(f"video_generation with {', '.join(inputs)}")
    key = {"Idempotency-Key": f"ci-litellm-{time.time_ns()}"}
    again = {"model": "openai/gen4.5", "prompt": PROMPT, "extra_headers": key, **ours}
    ids = {litellm.video_generation(**again).id for _ in range(2)}
    assert len(ids) == 1, ids
    told("an Idempotency-Key makes one video")


def without_prefix(ours: dict) -> None:
    video = litellm.video_generation(model="openai/gen4.5", prompt=PROMPT, seconds="5", **ours)
    assert ended(video.id, ours).status == "completed"
    assert len(litellm.video_content(video_id=video.id, **ours)) > 1000
    assert litellm.image_generation(model=IMAGES, prompt=PROMPT, size="1280x720", **ours).data[0].url
    told("the same with an api_base without /v1")


async def asynchronous(ours: dict) -> None:
    video = await litellm.avideo_generation(
        model=ALIAS, prompt=PROMPT, input_reference=ADDRESS, seconds=5, size="1280x720", **ours
    )
    deadline = time.monotonic() + 120
    while (await litellm.avideo_status(video_id=video.id, **ours)).status != "completed":
        assert time.monotonic() < deadline, f"{video.id} did not complete"
        await asyncio.sleep(0.5)
    content, made = await asyncio.gather(
        litellm.avideo_content(video_id=video.id, **ours),
        litellm.aimage_generation(model=IMAGES, prompt=PROMPT, size="1280x720", **ours),
    )
    assert content[4:8] == b"ftyp" and made.data[0].url, (content[:16], made)
    told("the same with the asynchronous calls")


def listed(ours: dict) -> None:
    newest = litellm.video_list(limit=2, **ours)
    assert len(newest["data"]) == 2 and newest["has_more"], newest
    older = litellm.video_list(limit=2, after=newest["last_id"], **ours)
    ids = [video["id"] for video in newest["data"] + older["data"]]
    assert len(set(ids)) == 4, ids
    told("video_list: two pages")


def refusals(ours: dict, keyed_url: str) -> None:
    wrong = expect(
        litellm.BadRequestError,
        lambda: litellm.video_generation(model="openai/gen4.5", prompt="A lake", size="1x1", **ours),
    )
    assert wrong.status_code == 400 and '"size"' in str(wrong), wrong
    # Which of its exceptions a 404 is depends on its version.
    missing = expect(
        (litellm.BadRequestError, litellm.NotFoundError),
        lambda: litellm.video_status(video_id=UNKNOWN, custom_llm_provider="openai", **ours),
    )
    assert missing.status_code == 404, missing
    stranger = {"api_base": f"{keyed_url}/v1", "api_key": "sk-1234"}
    for call in (
        lambda: litellm.video_generation(model=ALIAS, prompt="A lake", **stranger),
        lambda: litellm.image_generation(model=IMAGES, prompt="A lake", **stranger),
    ):
        assert expect(litellm.AuthenticationError, call).status_code == 401
    told("a bad request, an unknown id and a wrong key are its own exceptions")


def runway(base: str, place: pathlib.Path) -> None:
    """As `runwayml/…` it speaks Runway's wire, which only the sandbox serves."""
    server = {"api_base": base}
    model = "runwayml/gen4_turbo"
    created = litellm.video_generation(
        model=model, prompt=PROMPT, input_reference=ADDRESS, seconds=5, size="1280x720", **server
    )
    cost = litellm.completion_cost(created, model=model, call_type="create_video")
    assert ended(created.id, server).status == "completed"
    content = litellm.video_content(video_id=created.id, **server)
    (place / "runway.mp4").write_bytes(content)
    told(f"{model} against the sandbox: {len(content)} bytes for {cost} dollars")


if __name__ == "__main__":
    main(*sys.argv[1:])
