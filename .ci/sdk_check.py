"""Runway's official Python SDK against `mediagen sandbox`: it must not tell the difference.

usage: sdk_check.py BASE_URL FOLDER
"""

import pathlib
import sys
import urllib.request

import runwayml


def main(base_url: str, folder: str) -> None:
    client = runwayml.RunwayML(api_key="key_" + "0" * 128, base_url=base_url, max_retries=0)
    text_to_video(client, pathlib.Path(folder))
    image_to_video_cancelled(client)
    refusals(client, base_url)


def text_to_video(client: runwayml.RunwayML, folder: pathlib.Path) -> None:
    created = client.text_to_video.create(
        model="gen4.5", prompt_text="A serene lake at dawn", ratio="1280:720", duration=5
    )
    task = created.wait_for_task_output(timeout=120)
    assert task.status == "SUCCEEDED" and len(task.output) == 1, task
    with urllib.request.urlopen(task.output[0], timeout=60) as response:
        assert response.headers["content-type"] == "video/mp4", response.headers.items()
        media = response.read()
    assert media[4:8] == b"ftyp", media[:16]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "output.mp4").write_bytes(media)
    told(f"text to video: {created.id}, {len(media)} bytes")
    client.tasks.delete(created.id)
    expect(runwayml.NotFoundError, lambda: client.tasks.retrieve(created.id))
    told("a deleted task is not found")


def image_to_video_cancelled(client: runwayml.RunwayML) -> None:
    created = client.image_to_video.create(
        model="gen4_turbo",
        prompt_image="https://example.com/first.png",
        prompt_text="It begins to rain",
        ratio="1280:720",
        duration=5,
    )
    task = client.tasks.retrieve(created.id)
    assert task.status in ("PENDING", "RUNNING"), task
    client.tasks.delete(created.id)
    told("image to video: created, read, cancelled")


def refusals(client: runwayml.RunwayML, base_url: str) -> None:
    wrong_ratio = expect(
        runwayml.BadRequestError,
        lambda: client.text_to_video.create(
            model="gen4.5", prompt_text="A lake", ratio="1:1", duration=5
        ),
    )
    assert "ratio" in str(wrong_ratio.body), wrong_ratio.body
    told("a ratio that the model lacks is a bad request")
    stranger = runwayml.RunwayML(api_key="wrong", base_url=base_url, max_retries=0)
    expect(runwayml.AuthenticationError, lambda: stranger.organization.retrieve())
    assert client.organization.retrieve().credit_balance > 0
    told("a malformed key is refused, a well-shaped one sees its credits")


def expect(error, call):
    try:
        got = call()
    except error as raised:
        return raised
    raise AssertionError(f"wanted {error.__name__}, got {got!r}")


def told(what: str) -> None:
    print(f"ok: {what}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
