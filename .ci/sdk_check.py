"""Runway's official Python SDK against `mediagen sandbox`: it must not tell the difference.

usage: sdk_check.py BASE_URL FOLDER
"""

import pathlib
import sys
import time
import urllib.request

import runwayml

from facts import expect, told


def main(base_url: str, folder: str) -> None:
    client = runwayml.RunwayML(api_key="key_" + "0" * 128, base_url=base_url, max_retries=0)
    text_to_video(client, pathlib.Path(folder))
    image_to_video_cancelled(client)
    every_endpoint(client, pathlib.Path(folder))
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


def every_endpoint(client: runwayml.RunwayML, folder: pathlib.Path) -> None:
    """One create of each kind, as the SDK types it; all run at the same time."""
    source = client.uploads.create_ephemeral(file=folder / "output.mp4").uri
    assert source.startswith("runway://"), source
    image, sound = "https://example.com/a.png", "https://example.com/a.mp3"
    voice = {"type": "runway-preset", "preset_id": "Maya"}
    creates = {
        "image": client.text_to_image.create(
            model="gen4_image", prompt_text="A lake", ratio="1920:1080"
        ),
        "four images": client.text_to_image.create(
            model="gpt_image_2", prompt_text="A lake", ratio="1920:1088", output_count=4
        ),
        "video of a video": client.video_to_video.create(
            model="aleph2", prompt_text="At night", video_uri=source
        ),
        "performance": client.character_performance.create(
            model="act_two",
            character={"type": "image", "uri": image},
            reference={"type": "video", "uri": source},
            ratio="1280:720",
        ),
        "larger video": client.video_upscale.create(
            model="magnific_video_upscaler_creative", video_uri=source
        ),
        "brighter video": client.video_to_hdr.create(model="ruby", video_uri=source),
        "larger image": client.image_upscale.create(
            model="magnific_precision_upscaler_v2", image_uri=image
        ),
        "speech": client.text_to_speech.create(
            model="eleven_multilingual_v2", prompt_text="The lake is still.", voice=voice
        ),
        "speech again": client.speech_to_speech.create(
            model="eleven_multilingual_sts_v2", media={"type": "audio", "uri": sound}, voice=voice
        ),
        "sound": client.sound_effect.create(
            model="eleven_text_to_sound_v2", prompt_text="Water", duration=2
        ),
        "sound of a video": client.video_to_audio.create(
            model="mirelo_sfx_2_0", video_uri=source, duration=2
        ),
        "dubbed": client.voice_dubbing.create(
            model="eleven_voice_dubbing", audio_uri=sound, target_lang="de"
        ),
        "voice alone": client.voice_isolation.create(
            model="eleven_voice_isolation", audio_uri=sound
        ),
    }
    for what, created in creates.items():
        assert created.estimated_cost.credits > 0, created
        task = ended(client, created.id)
        assert task.status == "SUCCEEDED", task
        wanted = 4 if what == "four images" else 1
        assert len(task.output) == wanted, (what, task.output)
        assert task.cost.credits <= created.estimated_cost.credits, (what, task.cost, created)
        told(f"{what}: {created.estimated_cost.credits:g} credits at most, {task.cost.credits:g} taken")


def ended(client: runwayml.RunwayML, task_id: str):
    """As wait_for_task_output, which sleeps for six seconds before it looks."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        task = client.tasks.retrieve(task_id)
        if task.status in ("SUCCEEDED", "FAILED", "CANCELLED"):
            return task
        time.sleep(0.5)
    raise AssertionError(f"{task_id} did not end")


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


if __name__ == "__main__":
    main(*sys.argv[1:])
