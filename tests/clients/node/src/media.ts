// What a program that uses mediagen would take over: the connection, calls with deadlines, a watch
// and a download that survive broken streams, and what an error says beyond its code.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { BadRequest, type BadRequest_FieldViolation, ErrorInfo } from '../gen/google/rpc/error_details.js';
import { Status } from '../gen/google/rpc/status.js';
import { MediaGenerationClient, type Output, type Task, TaskStatus } from '../gen/mediagen/v1/media_generation.js';

const UNARY_DEADLINE_MS = 20_000;
/** Broken streams in a row before a watch or a download gives up: a bit over a minute in all. */
const MAX_FAILURES = 12;

/** Connects without TLS; `serviceConfig` is a file that says which calls are retried. */
export function connect(address: string, serviceConfig: string, apiKey?: string): MediaGenerationClient {
  return new MediaGenerationClient(address, grpc.credentials.createInsecure(), {
    'grpc.service_config': readFileSync(serviceConfig, 'utf8'),
    // A server that vanished without a word is noticed, also by a watch that waits for its next event.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.keepalive_permit_without_calls': 1,
    // Left alone, it would try a server that was away for some time again after two minutes only.
    'grpc.max_reconnect_backoff_ms': 5_000,
    // With HTTP/2's 64 KiB a download would wait for the network's round trips.
    'grpc-node.flow_control_window': 8 << 20,
    interceptors: apiKey ? [bearer(apiKey)] : [],
  });
}

/** Sends the key with every call. With TLS, call credentials do the same. */
function bearer(apiKey: string): grpc.Interceptor {
  return (options, nextCall) =>
    new grpc.InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set('authorization', `Bearer ${apiKey}`);
        next(metadata, listener);
      },
    });
}

type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: grpc.Metadata,
  options: Partial<grpc.CallOptions>,
  callback: (error: grpc.ServiceError | null, response: Response) => void,
) => grpc.ClientUnaryCall;

/** Calls a unary method, with a deadline: `unary(client, client.status, { taskId })`. */
export function unary<Request, Response>(
  client: MediaGenerationClient,
  method: UnaryMethod<Request, Response>,
  request: Request,
): Promise<Response> {
  const options = { deadline: Date.now() + UNARY_DEADLINE_MS };
  return new Promise((resolve, reject) => {
    method.call(client, request, new grpc.Metadata(), options, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

export function isTerminal({ status }: Task): boolean {
  const { TASK_STATUS_COMPLETED, TASK_STATUS_FAILED, TASK_STATUS_CANCELLED } = TaskStatus;
  return [TASK_STATUS_COMPLETED, TASK_STATUS_FAILED, TASK_STATUS_CANCELLED].includes(status);
}

/**
 * Yields a task's changes, up to and with its terminal one. A stream that breaks, or that the server
 * ends for its age, is resumed after the last revision seen; leaving the loop cancels it.
 *
 * Without a deadline it takes the time that the task takes, and keepalive notices a server that is gone.
 */
export async function* watch(
  client: MediaGenerationClient,
  taskId: string,
  afterRevision = 0,
  deadline: grpc.Deadline = Infinity,
): AsyncGenerator<Task> {
  let [revision, progress] = [afterRevision, 0];
  for (let failures = 0; ; failures += 1) {
    const stream = client.watchTask({ taskId, afterRevision: revision }, { deadline });
    try {
      for await (const { event } of messages(stream)) {
        failures = 0;
        if (event?.$case !== 'task') continue; // A heartbeat.
        const task = event.value;
        // Progress is not on the server's disk, so that after its restart some may come again.
        if (task.revision === revision && task.progress <= progress) continue;
        ({ revision, progress } = task);
        yield task;
        if (isTerminal(task)) return;
      }
      return; // The task had ended at `afterRevision`.
    } catch (error) {
      await backOff(error, failures);
    } finally {
      stream.cancel();
    }
  }
}

/**
 * Downloads an output to `path`, by way of a .part file named after the output, which takes the place
 * of `path` once its SHA-256 is right. What an earlier run left in the .part file is not fetched again.
 *
 * The next chunk is read when the last one is written: HTTP/2 holds back what a slow disk cannot take.
 */
export async function download(
  client: MediaGenerationClient,
  taskId: string,
  output: Output,
  path: string,
  onProgress: (bytes: number) => void = () => {},
  deadline: grpc.Deadline = Infinity,
): Promise<void> {
  const part = partOf(path, output);
  const file = await open(part, 'a+');
  const hash = createHash('sha256');
  try {
    let offset = 0;
    const take = (data: Buffer) => {
      hash.update(data);
      offset += data.length;
    };
    for await (const data of file.createReadStream({ start: 0, autoClose: false })) take(data);
    for (let failures = 0; offset < output.sizeBytes; failures += 1) {
      try {
        for await (const data of chunks(client, taskId, output, offset, deadline)) {
          failures = 0;
          await append(file, data);
          take(data);
          onProgress(offset);
        }
        if (offset < output.sizeBytes) throw new Error('the output is shorter than announced');
      } catch (error) {
        await backOff(error, failures);
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (hash.digest('hex') !== output.sha256) {
    await rm(part);
    throw new Error(`${part}: the bytes are not those of the output`);
  }
  await rename(part, path);
}

/** Where the bytes of an output are kept until they are all there: another output has another file. */
export function partOf(path: string, { sha256 }: Output): string {
  return `${path}.${sha256.slice(0, 16)}.part`;
}

/** Yields the bytes from `offset` on, until one stream ends. */
async function* chunks(
  client: MediaGenerationClient,
  taskId: string,
  output: Output,
  offset: number,
  deadline: grpc.Deadline,
) {
  const { index: outputIndex, sha256: expectedSha256 } = output;
  const stream = client.downloadContent({ taskId, outputIndex, offset, limit: 0, expectedSha256 }, { deadline });
  try {
    for await (const { part } of messages(stream)) {
      if (part?.value.offset !== offset) throw new Error(`not the bytes from ${offset} on`);
      if (part.$case === 'metadata') {
        if (part.value.sha256 !== output.sha256) throw new Error('not the output that was asked for');
        continue;
      }
      yield part.value.data;
      offset += part.value.data.length;
    }
  } finally {
    stream.cancel();
  }
}

async function append(file: FileHandle, data: Buffer): Promise<void> {
  for (let at = 0; at < data.length; ) at += (await file.write(data, at)).bytesWritten;
}

/** The messages of a stream, to be read one by one. */
function messages<Response>(stream: grpc.ClientReadableStream<Response>): AsyncIterable<Response> {
  // A cancelled stream still emits its error, when nobody iterates any more, and would end the process.
  stream.on('error', () => {});
  return stream;
}

/** Waits before a stream is resumed: 0.1 s, doubled each time, 10 s at most, and up to as much again. */
async function backOff(error: unknown, failures: number): Promise<void> {
  if (!isServiceError(error) || error.code !== grpc.status.UNAVAILABLE || failures >= MAX_FAILURES) throw error;
  await sleep(Math.min(100 * 2 ** failures, 10_000) * (1 + Math.random()));
}

export function isServiceError(error: unknown): error is grpc.ServiceError {
  return error instanceof Error && 'code' in error && 'metadata' in error;
}

export interface ErrorDetails {
  info?: ErrorInfo;
  violations: BadRequest_FieldViolation[];
}

/** Decodes what an error says beyond its code: the reason, and each bad field. */
export function errorDetails(error: grpc.ServiceError): ErrorDetails {
  const found: ErrorDetails = { violations: [] };
  const [encoded] = error.metadata.get('grpc-status-details-bin');
  for (const { typeUrl, value } of Status.decode(Buffer.from(encoded ?? '')).details) {
    if (typeUrl.endsWith('/google.rpc.ErrorInfo')) found.info = ErrorInfo.decode(value);
    if (typeUrl.endsWith('/google.rpc.BadRequest')) found.violations = BadRequest.decode(value).fieldViolations;
  }
  return found;
}
