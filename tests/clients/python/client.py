"""One task from Create to its file, and what else a caller of mediagen meets on the way.

usage: client.py ADDRESS OUT_DIR

MEDIAGEN_API_KEY holds the caller's key, if the server wants one. Every line printed is a fact that
was checked; the first that does not hold ends the program.
"""

import os
import sys
import uuid
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from mediagen.v1 import media_generation_pb2 as pb
from mediagen.v1.media_generation_pb2_grpc import MediaGenerationStub

from connection import connect
from streams import download, watch

# From the repository's root; a copy of this program would ship its own.
SERVICE_CONFIG = (
    Path(__file__).resolve().parents[3] / "config" / "grpc_service_config_with_create.json"
)
# Seconds that a unary call may take, with all its retries.
DEADLINE = 20.0


def create(stub: MediaGenerationStub, request: pb.CreateRequest) -> pb.Task:
    """Safe to repeat, by gRPC or by hand: the `request_id` says that it is the same request."""
    task = stub.Create(request, timeout=DEADLINE).task
    again = stub.Create(request, timeout=DEADLINE).task
    assert again.id == task.id, f"{again.id} for the request_id of {task.id}"
    told(f"Create: {task.id}, and the same again for the same request_id")

    other = pb.CreateRequest()
    other.CopyFrom(request)
    other.prompt = "Another prompt"
    error = refused(stub.Create, other)
    info = error_info(error)
    assert error.code() is grpc.StatusCode.ALREADY_EXISTS, error
    assert info.reason == "REQUEST_ID_REUSED" and info.metadata["taskId"] == task.id, info
    told(f"Create of something else with that request_id: {describe(error)}")
    return task


def follow(stub: MediaGenerationStub, task_id: str) -> pb.Task:
    # A caller that goes away after the first event…
    changes = watch(stub, task_id)
    seen = [next(changes)]
    changes.close()
    # …and another that goes on where it was.
    seen += watch(stub, task_id, after_revision=seen[0].revision)

    for before, after in zip(seen, seen[1:]):
        assert (after.revision, after.progress) > (before.revision, before.progress), after
        # Of these statuses, the later have the higher numbers.
        assert after.status >= before.status, after
    ended = [task for task in seen if task.complete_time.seconds]
    assert ended == seen[-1:], f"{len(ended)} terminal tasks"
    failure = seen[-1].error
    assert seen[-1].status == pb.TASK_STATUS_COMPLETED, f"{failure.reason}: {failure.message}"
    statuses = dict.fromkeys(f"{task.revision} {status(task)}" for task in seen)
    told(f"WatchTask, resumed after revision {seen[0].revision}: {', '.join(statuses)}")
    return seen[-1]


class Interrupted(Exception):
    """Stands for whatever ends a program in the middle of a download."""


def fetch(stub: MediaGenerationStub, task: pb.Task, path: Path) -> None:
    path.unlink(missing_ok=True)

    def interrupt(done: int) -> None:
        if done >= task.outputs[0].size_bytes // 2:
            raise Interrupted

    try:
        download(stub, task, path, on_progress=interrupt)
        raise AssertionError("the download was not interrupted")
    except Interrupted:
        assert not path.exists(), f"{path} is there before it is whole"
    offset = download(stub, task, path)
    size = path.stat().st_size
    assert 0 < offset < size == task.outputs[0].size_bytes, (offset, size)
    told(f"DownloadContent, resumed at {offset}: {size} bytes, SHA-256 {task.outputs[0].sha256}")


def cancel(stub: MediaGenerationStub, request: pb.CreateRequest) -> pb.Task:
    task = stub.Create(request, timeout=DEADLINE).task
    try:
        for _ in watch(stub, task.id, timeout=0.5):
            pass
        raise AssertionError("a task of a minute ended within 0.5 s")
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error
    task = stub.Status(pb.StatusRequest(task_id=task.id), timeout=DEADLINE).task
    told(f"WatchTask for 0.5 s: DEADLINE_EXCEEDED; Status: {status(task)}")

    answer = stub.Cancel(pb.CancelRequest(task_id=task.id), timeout=DEADLINE)
    *_, task = watch(stub, task.id)
    assert task.status == pb.TASK_STATUS_CANCELLED, task
    again = stub.Cancel(pb.CancelRequest(task_id=task.id), timeout=DEADLINE)
    assert again.outcome == pb.CANCEL_OUTCOME_TOO_LATE, again
    assert again.task == task, "a second Cancel changed the task"
    outcomes = [pb.CancelOutcome.Name(each.outcome) for each in (answer, again)]
    told(f"Cancel: {outcomes[0]}, then {status(task)}; again: {outcomes[1]}")
    return task


def list_tasks(stub: MediaGenerationStub, filters: pb.TaskFilters) -> list[pb.Task]:
    """A page at a time; pages of one task only to show how."""
    tasks, token = [], ""
    while True:
        request = pb.ListRequest(page_size=1, page_token=token, filters=filters)
        page = stub.List(request, timeout=DEADLINE)
        assert len(page.tasks) <= 1, page
        tasks += page.tasks
        token = page.next_page_token
        if not token:
            return tasks


def errors(stub: MediaGenerationStub) -> None:
    bad = pb.CreateRequest(
        request_id=f"python-{uuid.uuid4().hex}",
        model="gen4.5",
        prompt="A lake",
        seconds=99,
        size="1x1",
    )
    error = refused(stub.Create, bad)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
    assert error_info(error).reason == "FIELD_INVALID", error
    violations = detail(error, error_details_pb2.BadRequest).field_violations
    assert {violation.field for violation in violations} == {"seconds", "size"}, violations
    told(f"a bad Create: {describe(error)}")
    for violation in violations:
        told(f"  {violation.field}: {violation.description}")

    error = refused(stub.Status, pb.StatusRequest(task_id="task_01890000000070008000000000000000"))
    assert error.code() is grpc.StatusCode.NOT_FOUND, error
    assert error_info(error).reason == "TASK_NOT_FOUND", error
    told(f"Status of an unknown task: {describe(error)}")


def prices(stub: MediaGenerationStub, request: pb.CreateRequest) -> None:
    asked = pb.EstimateCostRequest(request=request)
    cost = stub.EstimateCost(asked, timeout=DEADLINE).cost
    assert cost.estimated_usd_micros > 0, cost
    told(f"EstimateCost: {cost.estimated_usd_micros / 1_000_000:.2f} dollars at most")
    models = stub.ListModels(pb.ListModelsRequest(), timeout=DEADLINE).models
    assert request.model in {model.name for model in models}, models
    told(f"ListModels: {len(models)} models")


def refused(method: grpc.UnaryUnaryMultiCallable, request) -> grpc.RpcError:
    try:
        answer = method(request, timeout=DEADLINE)
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"wanted an error, got {answer}")


def detail(error: grpc.RpcError, kind):
    """The detail of this kind, such as `google.rpc.BadRequest`, that every error may carry."""
    for packed in rpc_status.from_call(error).details:
        if packed.Is(kind.DESCRIPTOR):
            unpacked = kind()
            packed.Unpack(unpacked)
            return unpacked
    raise AssertionError(f"no {kind.DESCRIPTOR.full_name} in {error}")


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    info = detail(error, error_details_pb2.ErrorInfo)
    assert info.domain == "mediagen", info
    return info


def describe(error: grpc.RpcError) -> str:
    return f"{error.code().name} / {error_info(error).reason}: {error.details()}"


def status(task: pb.Task) -> str:
    return pb.TaskStatus.Name(task.status).removeprefix("TASK_STATUS_")


def told(fact: str) -> None:
    print(f"ok: {fact}", flush=True)


def main(address: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run = uuid.uuid4().hex
    request = pb.CreateRequest(
        request_id=f"python-{run}",
        model="gen4.5",
        prompt="A serene lake at dawn",
        seconds=5,
        size="1280x720",
        labels={"run": run},
    )
    slow = pb.CreateRequest()
    slow.CopyFrom(request)
    slow.request_id += "-slow"
    slow.prompt = "[sandbox:seconds=60] A lake that takes its time"

    with connect(address, SERVICE_CONFIG, os.environ.get("MEDIAGEN_API_KEY")) as channel:
        stub = MediaGenerationStub(channel)
        task = create(stub, request)
        task = follow(stub, task.id)
        fetch(stub, task, folder / "output.mp4")
        cancelled = cancel(stub, slow)
        listed = list_tasks(stub, pb.TaskFilters(labels={"run": run}))
        assert [each.id for each in listed] == [cancelled.id, task.id], listed
        told("List: both tasks, newest first, a page each")
        errors(stub)
        prices(stub, request)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: client.py ADDRESS OUT_DIR")
    main(sys.argv[1], Path(sys.argv[2]))
