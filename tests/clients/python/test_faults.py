"""What the published retry configuration and the resumed streams do when a server fails.

The server here fails on purpose, as no real one does on demand. Run with `python -m unittest`.
"""

import hashlib
import tempfile
import unittest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from mediagen.v1 import media_generation_pb2 as pb
from mediagen.v1 import media_generation_pb2_grpc as pb_grpc

from client import SERVICE_CONFIG
from connection import connect
from streams import download, watch

WITHOUT_CREATE = SERVICE_CONFIG.with_name("grpc_service_config.json")
UNAVAILABLE, INTERNAL = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL
CONTENT = bytes(range(256)) * 1024
OUTPUT = pb.Output(size_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


class Faulty(pb_grpc.MediaGenerationServicer):
    """Ends the first call of every method with `code`, and counts the calls."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self.code = code
        self.calls = Counter()

    def _answer(self, method: str, answer, context: grpc.ServicerContext):
        self.calls[method] += 1
        if self.calls[method] == 1:
            context.abort(self.code, "on purpose")
        return answer

    def Create(self, request, context):
        return self._answer("Create", pb.CreateResponse(), context)

    def Status(self, request, context):
        return self._answer("Status", pb.StatusResponse(), context)

    def List(self, request, context):
        return self._answer("List", pb.ListResponse(), context)

    def EstimateCost(self, request, context):
        return self._answer("EstimateCost", pb.EstimateCostResponse(), context)

    def ListModels(self, request, context):
        return self._answer("ListModels", pb.ListModelsResponse(), context)

    def Cancel(self, request, context):
        return self._answer("Cancel", pb.CancelResponse(), context)

    def WatchTask(self, request, context):
        """One revision a stream, until the third is the last."""
        self.calls["WatchTask"] += 1
        if request.after_revision < 3:
            yield pb.WatchTaskResponse(task=pb.Task(revision=request.after_revision + 1))
            yield pb.WatchTaskResponse(heartbeat={"revision": request.after_revision + 1})
        if request.after_revision < 2:
            context.abort(self.code, "on purpose")

    def DownloadContent(self, request, context):
        """A quarter of the content a stream."""
        self.calls["DownloadContent"] += 1
        end = request.offset + len(CONTENT) // 4
        metadata = {"sha256": request.expected_sha256, "offset": request.offset}
        yield pb.DownloadContentResponse(metadata=metadata)
        chunk = {"offset": request.offset, "data": CONTENT[request.offset : end]}
        yield pb.DownloadContentResponse(chunk=chunk)
        if end < len(CONTENT):
            context.abort(self.code, "on purpose")


class Faults(unittest.TestCase):
    def stub(self, code: grpc.StatusCode, config: Path) -> pb_grpc.MediaGenerationStub:
        self.faulty = Faulty(code)
        server = grpc.server(ThreadPoolExecutor(4))
        pb_grpc.add_MediaGenerationServicer_to_server(self.faulty, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(1).wait())
        channel = connect(f"127.0.0.1:{port}", config)
        self.addCleanup(channel.close)
        return pb_grpc.MediaGenerationStub(channel)

    def ends_with(self, code: grpc.StatusCode, method, request) -> None:
        with self.assertRaises(grpc.RpcError) as raised:
            method(request, timeout=10)
        self.assertIs(raised.exception.code(), code)

    def test_what_reads_is_repeated_after_unavailable(self) -> None:
        stub = self.stub(UNAVAILABLE, WITHOUT_CREATE)
        stub.Status(pb.StatusRequest(), timeout=10)
        stub.List(pb.ListRequest(), timeout=10)
        stub.EstimateCost(pb.EstimateCostRequest(), timeout=10)
        stub.ListModels(pb.ListModelsRequest(), timeout=10)
        each_twice = {"Status": 2, "List": 2, "EstimateCost": 2, "ListModels": 2}
        self.assertEqual(self.faulty.calls, each_twice)

    def test_create_is_repeated_by_the_second_file_alone(self) -> None:
        stub = self.stub(UNAVAILABLE, WITHOUT_CREATE)
        self.ends_with(UNAVAILABLE, stub.Create, pb.CreateRequest())
        self.assertEqual(self.faulty.calls, {"Create": 1})
        stub = self.stub(UNAVAILABLE, SERVICE_CONFIG)
        stub.Create(pb.CreateRequest(request_id="once"), timeout=10)
        stub.Status(pb.StatusRequest(), timeout=10)
        self.assertEqual(self.faulty.calls, {"Create": 2, "Status": 2})

    def test_nothing_else_is_repeated(self) -> None:
        stub = self.stub(UNAVAILABLE, SERVICE_CONFIG)
        self.ends_with(UNAVAILABLE, stub.Cancel, pb.CancelRequest())
        self.assertEqual(self.faulty.calls, {"Cancel": 1})
        stub = self.stub(INTERNAL, SERVICE_CONFIG)
        self.ends_with(INTERNAL, stub.Status, pb.StatusRequest())
        self.assertEqual(self.faulty.calls, {"Status": 1})

    def test_a_watch_goes_on_behind_the_last_revision(self) -> None:
        stub = self.stub(UNAVAILABLE, SERVICE_CONFIG)
        self.assertEqual([task.revision for task in watch(stub, "task", timeout=10)], [1, 2, 3])
        self.assertEqual(self.faulty.calls, {"WatchTask": 3})

    def test_a_download_goes_on_behind_the_last_byte(self) -> None:
        stub = self.stub(UNAVAILABLE, SERVICE_CONFIG)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "output.mp4")
            self.assertEqual(download(stub, pb.Task(outputs=[OUTPUT]), path, timeout=10), 0)
            self.assertEqual(path.read_bytes(), CONTENT)
        self.assertEqual(self.faulty.calls, {"DownloadContent": 4})

    def test_streams_end_with_every_other_error(self) -> None:
        stub = self.stub(INTERNAL, SERVICE_CONFIG)
        with self.assertRaises(grpc.RpcError) as raised:
            list(watch(stub, "task", timeout=10))
        self.assertIs(raised.exception.code(), INTERNAL)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "output.mp4")
            with self.assertRaises(grpc.RpcError) as raised:
                download(stub, pb.Task(outputs=[OUTPUT]), path, timeout=10)
            self.assertFalse(path.exists())
        self.assertEqual(self.faulty.calls, {"WatchTask": 1, "DownloadContent": 1})

    def test_wrong_bytes_never_get_the_files_name(self) -> None:
        stub = self.stub(UNAVAILABLE, SERVICE_CONFIG)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "output.mp4")
            part = Path(folder, f"output.mp4.{OUTPUT.sha256[:16]}.part")
            part.write_bytes(b"other")
            with self.assertRaises(OSError):
                download(stub, pb.Task(outputs=[OUTPUT]), path, timeout=10)
            self.assertEqual(list(Path(folder).iterdir()), [])


if __name__ == "__main__":
    unittest.main()
