"""The two streams of mediagen, made to survive lost connections and restarts of the server.

`watch` resumes by revision, `download` by offset. Both go on after UNAVAILABLE, which is how a lost
connection, a drain and the end of an old stream (STREAM_MAX_AGE) look; every other error is raised.
"""

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
from mediagen.v1 import media_generation_pb2 as pb
from mediagen.v1.media_generation_pb2_grpc import MediaGenerationStub


def watch(
    stub: MediaGenerationStub, task_id: str, after_revision: int = 0, timeout: float = 600
) -> Iterator[pb.Task]:
    """Yields a task whenever it changed, the terminal task last, over as many streams as it takes.

    To go on in another process, give the last revision seen. Raises DEADLINE_EXCEEDED when the
    task has not ended after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    backoff = Backoff(deadline)
    revision, progress = after_revision, 0.0
    while True:
        call = stub.WatchTask(
            pb.WatchTaskRequest(task_id=task_id, after_revision=revision),
            timeout=deadline - time.monotonic(),
        )
        try:
            for event in call:
                backoff.reset()
                if event.WhichOneof("event") != "task":
                    continue  # A heartbeat: nothing has changed.
                task = event.task
                # A server that was restarted counts the progress from 0 again.
                if (task.revision, task.progress) > (revision, progress):
                    revision, progress = task.revision, task.progress
                    yield task
            return  # OK comes after the terminal task only.
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
        finally:
            call.cancel()  # Also when the caller stops iterating.
        backoff.wait()


def download(
    stub: MediaGenerationStub,
    task: pb.Task,
    path: Path,
    index: int = 0,
    on_progress: Callable[[int], None] = lambda done: None,
    timeout: float = 600,
) -> int:
    """Writes an output to `path` once its SHA-256 is proved; returns the offset it began at.

    The bytes so far are beside it, in a `.part` named after the output. They stay there when this
    raises, and the next call goes on behind them.
    """
    output = task.outputs[index]
    part = path.with_name(f"{path.name}.{output.sha256[:16]}.part")
    with part.open("a+b") as file:
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256")
        began = file.tell()
        for data in _chunks(stub, task.id, output, began, timeout):
            file.write(data)
            digest.update(data)
            on_progress(file.tell())
    if digest.hexdigest() != output.sha256:
        part.unlink()
        raise OSError(f"{part} was damaged: removed, download it again")
    os.replace(part, path)
    return began


def _chunks(
    stub: MediaGenerationStub, task_id: str, output: pb.Output, offset: int, timeout: float
) -> Iterator[bytes]:
    """Yields the bytes of an output from `offset` to its end, over as many streams as it takes."""
    deadline = time.monotonic() + timeout
    backoff = Backoff(deadline)
    while True:
        call = stub.DownloadContent(
            pb.DownloadContentRequest(
                task_id=task_id,
                output_index=output.index,
                offset=offset,
                expected_sha256=output.sha256,
            ),
            timeout=deadline - time.monotonic(),
        )
        try:
            for message in call:
                if message.WhichOneof("part") == "metadata":
                    announced = (message.metadata.sha256, message.metadata.offset)
                    if announced != (output.sha256, offset):
                        raise OSError(f"other bytes than asked for: {announced}")
                else:
                    backoff.reset()
                    offset += len(message.chunk.data)
                    yield message.chunk.data
            return  # OK comes after the last byte only.
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
        finally:
            call.cancel()
        backoff.wait()


class Backoff:
    """Waits longer after each failure in a row, by chance, so that clients come back one by one."""

    FIRST, MOST = 0.2, 5.0

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.reset()

    def reset(self) -> None:
        self._longest = self.FIRST

    def wait(self) -> None:
        """Never waits beyond the deadline: the next call then ends with DEADLINE_EXCEEDED."""
        left = max(0.0, self._deadline - time.monotonic())
        time.sleep(min(left, random.uniform(self._longest / 2, self._longest)))
        self._longest = min(self._longest * 2, self.MOST)
