"""The channel to mediagen: keepalive, retries, windows for fast downloads, and the caller's key."""

from pathlib import Path

import grpc

CHANNEL_OPTIONS = [
    # A connection that silently died is noticed within 40 s, also while no call is open.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # The answer to any ping is waited for a minute, unless this says so too.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Watches send nothing: by default pings would stop after two.
    ("grpc.http2.max_pings_without_data", 0),
    # After a restart of the server: by default up to two minutes.
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # What downloads need to be fast.
    ("grpc.http2.lookahead_bytes", 8 << 20),
    ("grpc.http2.max_frame_size", 1 << 20),
]


class ApiKey(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
):
    """Sends the caller's key with every call.

    With TLS, use `grpc.access_token_call_credentials`; gRPC refuses those without it.
    """

    def __init__(self, key: str) -> None:
        self._header = ("authorization", f"Bearer {key}")

    def intercept_unary_unary(self, continuation, details, request):
        metadata = [*(details.metadata or ()), self._header]
        return continuation(details._replace(metadata=metadata), request)

    intercept_unary_stream = intercept_unary_unary
    intercept_stream_unary = intercept_unary_unary


def connect(address: str, service_config: Path, api_key: str | None = None) -> grpc.Channel:
    """A channel to the server; one is enough for a whole process, and for 1,024 calls at a time."""
    config = ("grpc.service_config", service_config.read_text())
    channel = grpc.insecure_channel(address, options=[*CHANNEL_OPTIONS, config])
    return grpc.intercept_channel(channel, ApiKey(api_key)) if api_key else channel
