// What the client does when a server is in trouble, seen on a server of its own that fails each call once.
//
// usage: faults.js SERVICE_CONFIG

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import {
  CancelRequest,
  CreateRequest,
  DownloadContentRequest,
  DownloadContentResponse,
  EstimateCostResponse,
  MediaGenerationService,
  Output,
  Task,
  TaskStatus,
  WatchTaskRequest,
  WatchTaskResponse,
} from '../gen/mediagen/v1/media_generation.js';
import { connect, download, unary, watch } from './media.js';

const taskId = 'task_1';
const content = Buffer.alloc(300_000, 'mediagen');
const unavailable = { code: grpc.status.UNAVAILABLE, details: 'try again' };
/** What each call asked for, in the order in which the calls came. */
const calls: Record<string, unknown[]> = {};

/** Answers the second call of a method, and each one after it. */
function secondTime<Request, Response>(name: string, response: Response): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const count = (calls[name] ??= []).push(call.metadata.get('grpc-previous-rpc-attempts')[0]);
    if (count === 1) callback(unavailable);
    else callback(null, response);
  };
}

function watchTask(call: grpc.ServerWritableStream<WatchTaskRequest, WatchTaskResponse>): void {
  const { afterRevision } = call.request;
  (calls.watchTask ??= []).push(afterRevision);
  const status = afterRevision === 0 ? TaskStatus.TASK_STATUS_IN_PROGRESS : TaskStatus.TASK_STATUS_COMPLETED;
  call.write({ event: { $case: 'heartbeat', value: { revision: afterRevision } } });
  call.write({ event: { $case: 'task', value: Task.fromPartial({ id: taskId, revision: afterRevision + 1, status }) } });
  endOnce(call, afterRevision === 0);
}

type Download = grpc.ServerWritableStream<DownloadContentRequest, DownloadContentResponse>;

function downloadContent(call: Download): void {
  const { offset } = call.request;
  (calls.downloadContent ??= []).push(offset);
  const data = content.subarray(offset, offset === 0 ? 100_000 : undefined);
  const metadata = { offset, sha256: output.sha256, sizeBytes: content.length };
  call.write(DownloadContentResponse.fromPartial({ part: { $case: 'metadata', value: metadata } }));
  call.write({ part: { $case: 'chunk', value: { offset, data } } });
  endOnce(call, offset === 0);
}

function endOnce(call: grpc.ServerWritableStream<unknown, unknown>, broken: boolean): void {
  if (broken) call.emit('error', unavailable);
  else call.end();
}

const output = Output.fromPartial({
  sizeBytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
});
const handlers = { watchTask, downloadContent };
const answers = {
  create: secondTime('create', {}),
  status: secondTime('status', {}),
  list: secondTime('list', { tasks: [] }),
  estimateCost: secondTime('estimateCost', EstimateCostResponse.fromPartial({})),
  listModels: secondTime('listModels', { models: [] }),
  cancel: secondTime('cancel', {}),
};

async function main(serviceConfig: string): Promise<void> {
  const server = new grpc.Server();
  server.addService(MediaGenerationService, { ...handlers, ...answers } as grpc.UntypedServiceImplementation);
  const bind = promisify(server.bindAsync.bind(server));
  const port = await bind('127.0.0.1:0', grpc.ServerCredentials.createInsecure());
  const client = connect(`127.0.0.1:${port}`, serviceConfig);
  const folder = await mkdtemp(path.join(tmpdir(), 'mediagen-'));
  try {
    await unary(client, client.create, CreateRequest.fromPartial({ requestId: 'once' }));
    await unary(client, client.status, { taskId });
    await unary(client, client.list, { pageSize: 0, pageToken: '', filters: undefined });
    await unary(client, client.estimateCost, { request: undefined });
    await unary(client, client.listModels, { operation: 0, pageToken: '' });
    for (const name of ['create', 'status', 'list', 'estimateCost', 'listModels']) {
      assert.deepEqual(calls[name], [undefined, '1'], `${name} was not retried`);
    }
    const cancelled = unary(client, client.cancel, CancelRequest.fromPartial({ taskId }));
    await assert.rejects(cancelled, { code: grpc.status.UNAVAILABLE });
    assert.equal(calls.cancel.length, 1, 'cancel is none of the calls that are retried');
    console.log('ok: retried by the service config: Create, Status, List, EstimateCost, ListModels; not Cancel');

    const revisions: number[] = [];
    for await (const { revision } of watch(client, taskId)) revisions.push(revision);
    assert.deepEqual([revisions, calls.watchTask], [[1, 2], [0, 1]]);
    console.log('ok: a watch that ended with UNAVAILABLE went on after revision 1');

    const file = path.join(folder, 'output.mp4');
    await download(client, taskId, output, file);
    assert.deepEqual(calls.downloadContent, [0, 100_000]);
    assert.ok(content.equals(await readFile(file)));
    console.log('ok: a download that ended with UNAVAILABLE went on at byte 100000');
  } finally {
    client.close();
    server.forceShutdown();
    await rm(folder, { recursive: true });
  }
}

await main(process.argv[2]);
