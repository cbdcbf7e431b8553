# syntax=docker/dockerfile:1

# Builds with a Rust toolchain and a C compiler alone: no protoc, no OpenSSL, no CMake.
# The slim image brings gcc and libc's headers.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY proto proto
COPY config config
COPY migrations migrations
COPY src src
RUN cargo build --release --locked

FROM debian:bookworm-slim
# The provider's certificates are checked against the system's authorities. The store and the
# archive hold the callers' prompts and media: they are for one user without a name or a shell.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -m 0700 -o 65532 -g 65532 /data
COPY --from=build /src/target/release/mediagen /usr/local/bin/mediagen
COPY LICENSE /usr/share/doc/mediagen/LICENSE
USER 65532:65532
ENV MEDIAGEN_DATA_DIR=/data MEDIAGEN_LISTEN=0.0.0.0:50051 MEDIAGEN_LOG_FORMAT=json
VOLUME /data
EXPOSE 50051
# SIGTERM drains, for 36 s at most by default (server.drain_timeout): give it that long,
# `docker stop --time 40` or terminationGracePeriodSeconds: 40.
STOPSIGNAL SIGTERM
# There is no HEALTHCHECK: let the orchestrator ask grpc.health.v1.Health/Check on port 50051
# (in Kubernetes `grpc: { port: 50051 }`). It answers NOT_SERVING from the start of a drain.
#
# In a container the service listens where others can reach it, so it starts only with one of
#   -e MEDIAGEN_TLS_CERT=… -e MEDIAGEN_TLS_KEY=… -e MEDIAGEN_TLS_CLIENT_CA=…   clients are known (mTLS)
#   -e MEDIAGEN_ALLOW_INSECURE=true                                            a private network is trusted
# and with RUNWAYML_API_SECRET, or MEDIAGEN_SANDBOX=true. For example, to try it:
#   docker run --rm -p 127.0.0.1:50051:50051 -e MEDIAGEN_SANDBOX=true -e MEDIAGEN_ALLOW_INSECURE=true mediagen
# It needs no more: --read-only --cap-drop=ALL --security-opt=no-new-privileges
ENTRYPOINT ["/usr/local/bin/mediagen"]
CMD ["serve"]
