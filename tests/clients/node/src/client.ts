// A walk through mediagen's contract with grpc-js, each fact told as it is seen.
//
// usage: client.js ADDRESS OUT_DIR SERVICE_CONFIG
//
// ADDRESS is host:port without TLS; OUT_DIR takes output.mp4. MEDIAGEN_API_KEY: the key, if one is needed.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import * as grpc from '@grpc/grpc-js';
import {
  CancelOutcome,
  CreateRequest,
  ListModelsRequest,
  ListRequest,
  type MediaGenerationClient,
  type Task,
  TaskStatus,
} from '../gen/mediagen/v1/media_generation.js';
import { connect, download, errorDetails, isServiceError, isTerminal, partOf, unary, watch } from './media.js';

const run = randomUUID();

async function main(address: string, folder: string, serviceConfig: string): Promise<void> {
  const client = connect(address, serviceConfig, process.env.MEDIAGEN_API_KEY);
  try {
    await prices(client);
    const made = await create(client);
    const completed = await watched(client, made);
    await downloaded(client, completed, folder);
    const cancelled = await cancel(client);
    await listed(client, [cancelled.id, completed.id]);
    await refusals(client);
  } finally {
    client.close();
  }
}

/** A request for a lake. A fresh `requestId` makes every retry safe: it finds the task if it was made. */
function lake(changes: Partial<CreateRequest> = {}): CreateRequest {
  return CreateRequest.fromPartial({
    requestId: randomUUID(),
    model: 'gen4.5',
    prompt: 'A serene lake at dawn',
    seconds: 5,
    size: '1280x720',
    labels: { run },
    ...changes,
  });
}

async function prices(client: MediaGenerationClient): Promise<void> {
  const { cost } = await unary(client, client.estimateCost, { request: lake() });
  assert.ok(cost?.estimatedUsdMicros, 'no price');
  told(`EstimateCost: at most $${cost.estimatedUsdMicros / 1e6}`);
  const { models } = await unary(client, client.listModels, ListModelsRequest.fromPartial({}));
  assert.ok(models.some(({ name }) => name === 'gen4.5'));
  told(`ListModels: ${models.length} models`);
}

async function create(client: MediaGenerationClient): Promise<Task> {
  const request = lake();
  const { task } = await unary(client, client.create, request);
  const { task: again } = await unary(client, client.create, request);
  assert.equal(again!.id, task!.id);
  told(`Create: ${task!.id}, and the same again for the same request_id`);
  const other = unary(client, client.create, { ...request, prompt: 'Another lake' });
  const { info } = await refused(other, grpc.status.ALREADY_EXISTS, 'REQUEST_ID_REUSED');
  assert.equal(info.metadata.taskId, task!.id);
  const { task: current } = await unary(client, client.status, { taskId: task!.id });
  assert.ok(current!.revision >= task!.revision);
  told(`Status: ${TaskStatus[current!.status]}`);
  return task!;
}

async function watched(client: MediaGenerationClient, { id }: Task): Promise<Task> {
  const seen: Task[] = [];
  for await (const task of watch(client, id)) {
    seen.push(task);
    break; // Leaves the stream, as a program does that is restarted, …
  }
  // … and goes on where it left.
  for await (const task of watch(client, id, seen[0].revision)) seen.push(task);
  return checked(seen, TaskStatus.TASK_STATUS_COMPLETED);
}

/** Checks all the events that came of a task, and returns the last. */
function checked(seen: Task[], end: TaskStatus): Task {
  for (const [before, after] of seen.slice(1).map((task, at) => [seen[at], task])) {
    const further = after.revision === before.revision && after.progress > before.progress;
    assert.ok(after.revision > before.revision || further, `revision ${after.revision} after ${before.revision}`);
    assert.ok(rank(after) >= rank(before), `${TaskStatus[after.status]} after ${TaskStatus[before.status]}`);
  }
  assert.equal(seen.filter(isTerminal).length, 1);
  const last = seen[seen.length - 1];
  assert.equal(last.status, end, last.statusDetail);
  const steps = seen.map(({ revision, status }) => `${revision} ${TaskStatus[status].replace('TASK_STATUS_', '')}`);
  told(`WatchTask, resumed: ${[...new Set(steps)].join(', ')}`);
  return last;
}

function rank(task: Task): number {
  const order = [TaskStatus.TASK_STATUS_QUEUED, TaskStatus.TASK_STATUS_THROTTLED, TaskStatus.TASK_STATUS_IN_PROGRESS];
  return isTerminal(task) ? order.length : order.indexOf(task.status);
}

async function downloaded(client: MediaGenerationClient, task: Task, folder: string): Promise<void> {
  const { id, outputs: [output] } = task;
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'output.mp4');
  const stopAt = output.sizeBytes / 2;
  const stopped = new Error('stopped midway');
  await assert.rejects(
    download(client, id, output, file, (bytes) => {
      if (bytes >= stopAt) throw stopped;
    }),
    stopped,
  );
  const { size: kept } = await stat(partOf(file, output));
  assert.ok(kept >= stopAt && kept < output.sizeBytes, `${kept} of ${output.sizeBytes} bytes`);
  let fetched = 0;
  await download(client, id, output, file, (bytes) => {
    fetched = bytes - kept;
  });
  assert.equal(fetched, output.sizeBytes - kept, 'what was there was fetched again');
  assert.equal((await stat(file)).size, output.sizeBytes);
  told(`DownloadContent: ${output.sizeBytes} bytes, resumed at ${kept}, SHA-256 ${output.sha256}`);
}

async function cancel(client: MediaGenerationClient): Promise<Task> {
  const { task } = await unary(client, client.create, lake({ prompt: '[sandbox:seconds=60] A lake that takes long' }));
  const impatient = (async () => {
    for await (const { id } of watch(client, task!.id, 0, Date.now() + 300)) assert.equal(id, task!.id);
  })();
  await assert.rejects(impatient, { code: grpc.status.DEADLINE_EXCEEDED });
  told('WatchTask with a deadline of 0.3 s: DEADLINE_EXCEEDED');
  const first = await unary(client, client.cancel, { taskId: task!.id });
  told(`Cancel: ${CancelOutcome[first.outcome]}`);
  const seen: Task[] = [];
  for await (const task of watch(client, first.task!.id)) seen.push(task);
  const last = checked(seen, TaskStatus.TASK_STATUS_CANCELLED);
  const again = await unary(client, client.cancel, { taskId: last.id });
  assert.equal(again.outcome, CancelOutcome.CANCEL_OUTCOME_TOO_LATE);
  assert.equal(again.task!.revision, last.revision, 'the second cancel changed something');
  told(`Cancel again: ${CancelOutcome[again.outcome]}, nothing changed`);
  return last;
}

async function listed(client: MediaGenerationClient, wanted: string[]): Promise<void> {
  const ids: string[] = [];
  let pages = 0;
  let pageToken = '';
  do {
    const request = ListRequest.fromPartial({ pageSize: 1, pageToken, filters: { labels: { run } } });
    const page = await unary(client, client.list, request);
    assert.ok(page.tasks.length <= 1);
    ids.push(...page.tasks.map(({ id }) => id));
    pageToken = page.nextPageToken;
    pages += 1;
  } while (pageToken);
  assert.deepEqual(ids, wanted, 'newest first');
  told(`List: ${ids.length} tasks in ${pages} pages`);
}

async function refusals(client: MediaGenerationClient): Promise<void> {
  const bad = unary(client, client.create, lake({ seconds: 99, size: '1x1' }));
  const { violations } = await refused(bad, grpc.status.INVALID_ARGUMENT, 'FIELD_INVALID');
  for (const { field, description } of violations) told(`  ${field}: ${description}`);
  assert.deepEqual(violations.map(({ field }) => field).sort(), ['seconds', 'size']);
  const unknown = unary(client, client.status, { taskId: 'task_01900000000070008000000000000000' });
  await refused(unknown, grpc.status.NOT_FOUND, 'TASK_NOT_FOUND');
}

/** The details of the error with which a call ends, which must have this code and reason. */
async function refused(call: Promise<unknown>, code: grpc.status, reason: string) {
  const error: unknown = await call.then(
    () => assert.fail(`wanted ${reason}, got an answer`),
    (raised) => raised,
  );
  if (!isServiceError(error)) throw error;
  assert.equal(error.code, code, error.message);
  const { info, violations } = errorDetails(error);
  assert.ok(info?.domain === 'mediagen' && info.reason === reason, `${info?.domain} ${info?.reason}`);
  told(`${grpc.status[code]}: ${info.reason} of ${info.domain}: ${error.details}`);
  return { info, violations };
}

function told(fact: string): void {
  console.log(`ok: ${fact}`);
}

const [address, folder, serviceConfig] = process.argv.slice(2);
if (!address || !folder || !serviceConfig) {
  console.error('usage: client.js ADDRESS OUT_DIR SERVICE_CONFIG');
  process.exit(2);
}
await main(address, folder, serviceConfig);
