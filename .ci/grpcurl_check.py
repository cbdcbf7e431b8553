"""A stranger's grpcurl, with no proto file, against `mediagen serve --sandbox`.

usage: grpcurl_check.py GRPCURL ADDRESS FOLDER
"""

import base64
import hashlib
import json
import pathlib
import re
import subprocess
import sys

SERVICE = "mediagen.v1.MediaGeneration"
SPACE = re.compile(r"\s*")


class Server:
    def __init__(self, grpcurl: str, address: str) -> None:
        self.grpcurl, self.address = grpcurl, address

    def run(self, *args: str, given: str = "") -> subprocess.CompletedProcess:
        command = [self.grpcurl, "-plaintext", "-max-time", "120", *args]
        return subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=150, check=False
        )

    def call(self, method: str, request: dict) -> list:
        """The messages of an answer that ends with OK."""
        ended = self.run("-d", json.dumps(request), self.address, f"{SERVICE}/{method}")
        assert ended.returncode == 0, ended.stderr
        return list(messages(ended.stdout))

    def refused(self, method: str, request: dict) -> str:
        ended = self.run("-d", json.dumps(request), self.address, f"{SERVICE}/{method}")
        assert ended.returncode != 0, ended.stdout
        return ended.stderr


def main(grpcurl: str, address: str, folder: str) -> None:
    server = Server(grpcurl, address)
    reflection(server)
    request = {
        "request_id": "ci-1",
        "model": "gen4.5",
        "prompt": "A serene lake at dawn",
        "seconds": 5,
        "size": "1280x720",
        "labels": {"run": "lake"},
    }
    (answer,) = server.call("Create", request)
    task_id = answer["task"]["id"]
    (again,) = server.call("Create", request)
    assert again["task"]["id"] == task_id, "the same request_id made another task"
    told(f"Create: {task_id}, and the same again for the same request_id")
    (answer,) = server.call("Status", {"task_id": task_id})
    assert answer["task"]["id"] == task_id, answer
    told(f"Status: {answer['task']['status']}")
    task = watch(server, task_id, "COMPLETED")
    download(server, task, pathlib.Path(folder))
    uploaded(server, pathlib.Path(folder))
    costs(server)
    stopped = cancel(server, request | {"request_id": "ci-2"})
    pages(server, request["labels"], [stopped, task_id])
    models(server)
    refusals(server)


def reflection(server: Server) -> None:
    listed = server.run(server.address, "list")
    assert listed.returncode == 0, listed.stderr
    names = listed.stdout.split()
    assert SERVICE in names and "grpc.health.v1.Health" in names, names
    ended = server.run("-d", "{}", server.address, "grpc.health.v1.Health/Check")
    assert '"SERVING"' in ended.stdout, ended.stdout + ended.stderr
    told("reflection lists the services; health is SERVING")


def watch(server: Server, task_id: str, end: str) -> dict:
    tasks = [m["task"] for m in server.call("WatchTask", {"task_id": task_id}) if "task" in m]
    revisions = [int(task["revision"]) for task in tasks]
    assert revisions == sorted(revisions), revisions
    last = tasks[-1]
    assert last["status"] == f"TASK_STATUS_{end}", last
    history = [int(step["revision"]) for step in last["history"]]
    assert history == list(range(1, revisions[-1] + 1)), history
    told(f"WatchTask: {' '.join(task['status'].removeprefix('TASK_STATUS_') for task in tasks)}")
    return last


def cancel(server: Server, request: dict) -> str:
    slow = request | {"prompt": "[sandbox:seconds=60] A lake that takes long"}
    (answer,) = server.call("Create", slow)
    task_id = answer["task"]["id"]
    (answer,) = server.call("Cancel", {"task_id": task_id})
    watch(server, task_id, "CANCELLED")
    (again,) = server.call("Cancel", {"task_id": task_id})
    assert again["outcome"] == "CANCEL_OUTCOME_TOO_LATE", again
    told(f"Cancel: {answer['outcome']}, then {again['outcome']}")
    return task_id


def pages(server: Server, labels: dict, wanted: list) -> None:
    listed, token = [], ""
    for _ in wanted:
        request = {"page_size": 1, "page_token": token, "filters": {"labels": labels}}
        (page,) = server.call("List", request)
        listed += [task["id"] for task in page["tasks"]]
        token = page.get("nextPageToken", "")
    assert listed == wanted and not token, (listed, token)
    told(f"List: {len(listed)} tasks, newest first, a page each")


def download(server: Server, task: dict, folder: pathlib.Path) -> None:
    (output,) = task["outputs"]
    content = content_of(server, {"task_id": task["id"]}, 0)
    assert len(content) == int(output["sizeBytes"]), (len(content), output)
    assert hashlib.sha256(content).hexdigest() == output["sha256"], output
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "output.mp4").write_bytes(content)
    offset = len(content) // 3
    resume = {"task_id": task["id"], "offset": offset, "expected_sha256": output["sha256"]}
    assert content_of(server, resume, offset) == content[offset:], "the resumed rest differs"
    told(f"DownloadContent: {len(content)} bytes, SHA-256 as announced, resumed at {offset}")


def content_of(server: Server, request: dict, offset: int) -> bytes:
    first, *rest = server.call("DownloadContent", request)
    assert int(first["metadata"].get("offset", 0)) == offset, first
    content = bytearray()
    for message in rest:
        chunk = message["chunk"]
        assert int(chunk.get("offset", 0)) == offset + len(content), "chunks leave a gap"
        content += base64.b64decode(chunk["data"])
    return bytes(content)


def uploaded(server: Server, folder: pathlib.Path) -> None:
    """The video that was made is uploaded, and edited."""
    content = (folder / "output.mp4").read_bytes()
    pieces = [content[at : at + 100_000] for at in range(0, len(content), 100_000)]
    parts = [{"metadata": {"content_type": "video/mp4", "size_bytes": len(content)}}]
    parts += [{"chunk": base64.b64encode(piece).decode()} for piece in pieces]
    given = "".join(map(json.dumps, parts))
    ended = server.run("-d", "@", server.address, f"{SERVICE}/UploadInput", given=given)
    assert ended.returncode == 0, ended.stderr
    (upload,) = messages(ended.stdout)
    assert upload["sha256"] == hashlib.sha256(content).hexdigest(), upload
    request = {
        "model": "aleph2",
        "prompt": "The same at night",
        "input_references": [{"upload_id": upload["uploadId"]}],
    }
    (estimate,) = server.call("EstimateCost", {"request": request})
    assert estimate["cost"]["estimatedMillicredits"] == "140000", estimate
    (answer,) = server.call("Create", request)
    *_, last = server.call("WatchTask", {"task_id": answer["task"]["id"]})
    assert last["task"]["status"] == "TASK_STATUS_COMPLETED", last
    told(f"UploadInput: {len(content)} bytes in {len(pieces)} pieces; priced by its 5 s; edited")


def costs(server: Server) -> None:
    (page,) = server.call("List", {})
    tasks = page["tasks"]
    (report,) = server.call("CostReport", {"group_by": ["COST_DIMENSION_MODEL"]})
    actual = sum(int(task["cost"]["actualMillicredits"]) for task in tasks)
    assert int(report["totals"]["taskCount"]) == len(tasks), report
    assert int(report["totals"]["actualMillicredits"]) == actual, (report, tasks)
    rows = {row["model"]: int(row["totals"]["actualUsdMicros"]) for row in report["rows"]}
    assert rows == {"aleph2": 1_400_000, "gen4.5": 600_000}, rows
    (estimate,) = server.call("EstimateCost", {"request": {"model": "kling_4", "prompt": "A lake"}})
    assert "estimatedMillicredits" not in estimate["cost"], estimate
    told(f"CostReport: {actual} millicredits, as the tasks show; an unknown price stays unknown")


def models(server: Server) -> None:
    (answer,) = server.call("ListModels", {})
    known = {model["name"]: model for model in answer["models"]}
    (operation,) = [
        one
        for one in known["gen4_image"]["operations"]
        if one["operation"] == "OPERATION_TEXT_TO_IMAGE"
    ]
    assert "1920:1080" in operation["size"]["allowed"], operation
    pairs = sum(len(model["operations"]) for model in known.values())
    assert pairs == 98, pairs
    told(f"ListModels: {len(known)} models, {pairs} pairs of model and operation")


def refusals(server: Server) -> None:
    told_why = server.refused("Create", {"model": "gen4.5", "seconds": 99, "size": "1x1"})
    assert "InvalidArgument" in told_why, told_why
    for field in ("prompt", "seconds", "size"):
        assert f'"{field}"' in told_why, told_why
    unknown = server.refused("Status", {"task_id": "task_01900000000070008000000000000000"})
    assert "NotFound" in unknown and "TASK_NOT_FOUND" in unknown, unknown
    told("a bad request names every bad field; an unknown task is refused")


def messages(text: str):
    """The JSON objects of a text, one after the other."""
    decoder, text = json.JSONDecoder(), text.rstrip()
    at = 0
    while at < len(text):
        message, at = decoder.raw_decode(text, SPACE.match(text, at).end())
        yield message


def told(what: str) -> None:
    print(f"ok: {what}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
