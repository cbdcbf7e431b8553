// OpenAI's official Node SDK against `mediagen serve --sandbox` without keys.
//
// usage: openai_check.mjs PACKAGE URL FOLDER
//
// PACKAGE is the folder of the installed SDK, URL has no /v1, FOLDER takes what is downloaded.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const [packageFolder, url, folder] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const sdk = require(path.resolve(packageFolder));
const { version } = require(path.resolve(packageFolder, 'package.json'));
const { OpenAI, toFile } = sdk;

const PROMPT = 'A serene lake at dawn [sandbox:seconds=1]';
const UNKNOWN = 'video_01900000000070008000000000000000';
let sent = 0;
const client = new OpenAI({
  apiKey: 'sk-1234',
  baseURL: `${url}/v1`,
  fetch: (...args) => {
    sent += 1;
    return fetch(...args);
  },
});

async function main() {
  told(`openai ${version} on Node ${process.version}`);
  fs.mkdirSync(folder, { recursive: true });
  const picture = await images();
  const made = [await textToVideo(), ...(await imageToVideo(picture))];
  const deleted = await deletions();
  await listed(made, deleted);
  await refusals(made[0]);
}

async function images() {
  const prompt = 'A lake [sandbox:seconds=1]';
  const both = await client.images.generate({ model: 'gen4_image', prompt, size: '1920x1080', n: 2 });
  assert.equal(both.data.length, 2);
  for (const image of both.data) {
    assert.ok(image.url.startsWith(`${url}/v1/files/`), image.url);
    const answer = await fetch(image.url);
    assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'image/png']);
    assert.deepEqual(pngSize(Buffer.from(await answer.arrayBuffer())), [1920, 1080]);
  }
  const request = { model: 'gen4_image', prompt, size: '1280x720', response_format: 'b64_json' };
  const { data } = await client.images.generate(request);
  const content = Buffer.from(data[0].b64_json, 'base64');
  assert.deepEqual(pngSize(content), [1280, 720]);
  const picture = path.join(folder, 'lake.png');
  fs.writeFileSync(picture, content);
  told(`images.generate: two addresses of ours, and ${content.length} bytes of b64_json`);
  return picture;
}

async function textToVideo() {
  const request = { model: 'gen4.5', prompt: PROMPT, seconds: '5', size: '1280x720' };
  const { data: video, response, request_id } = await client.videos.create(request).withResponse();
  assert.equal(response.headers.get('x-litellm-response-cost'), '0.6');
  const call = response.headers.get('x-litellm-call-id');
  assert.equal(`video_${call.slice('task_'.length)}`, video.id);
  assert.ok(request_id && request_id === video._request_id, request_id);
  assert.ok(['queued', 'in_progress'].includes(video.status), video.status);
  assert.deepEqual([video.object, video.seconds, video.size], ['video', '5', '1280x720']);
  const done = await ended(video.id);
  assert.deepEqual([done.status, done.progress, done.error], ['completed', 100, null]);
  told(`create, retrieve: ${video.id}`);
  await downloads(video.id);
  return video.id;
}

// What createAndPoll would do: the SDK has none for videos.
async function ended(id) {
  for (const until = Date.now() + 120_000; Date.now() < until; ) {
    const { data: video, response } = await client.videos.retrieve(id).withResponse();
    if (['completed', 'failed'].includes(video.status)) return video;
    const wait = Number.parseInt(response.headers.get('openai-poll-after-ms'), 10);
    assert.ok(wait > 0, `openai-poll-after-ms: ${wait}`);
    await new Promise((resume) => setTimeout(resume, wait));
  }
  assert.fail(`${id} did not end`);
}

async function downloads(id) {
  const target = path.join(folder, 'output.mp4');
  const answer = await client.videos.downloadContent(id, { variant: 'video' });
  await pipeline(Readable.fromWeb(answer.body), fs.createWriteStream(target));
  const content = fs.readFileSync(target);
  const digest = createHash('sha256').update(content).digest('hex');
  assert.equal(answer.headers.get('etag'), `"${digest}"`);
  assert.equal(answer.headers.get('content-length'), String(content.length));
  assert.equal(answer.headers.get('content-type'), 'video/mp4');
  told(`downloadContent: ${content.length} bytes, ETag is their SHA-256`);
}

// An image in each way that the SDK sends one; the first, a stream, has no length in advance.
async function imageToVideo(picture) {
  const content = fs.readFileSync(picture);
  const ways = {
    'a stream': () => fs.createReadStream(picture),
    'a buffer': () => toFile(content, 'lake.png', { type: 'image/png' }),
    'a buffer of no type': () => toFile(content),
    'an address': () => 'https://example.com/lake.png',
    'an object': () => ({ image_url: 'https://example.com/lake.png' }),
    'a data URI in an object': () => ({
      image_url: `data:image/png;base64,${content.toString('base64')}`,
    }),
  };
  const made = [];
  for (const [what, input] of Object.entries(ways)) {
    const request = { model: 'gen4_turbo', prompt: PROMPT, input_reference: await input() };
    made.push((await client.videos.create({ ...request, seconds: '5', size: '1280x720' })).id);
    told(`create: an image as ${what}`);
  }
  for (const id of made) assert.equal((await ended(id)).status, 'completed', id);
  const more = { ratio: '1280:720', seed: 7, metadata: { team: 'x' } };
  const video = await client.videos.create({ prompt: PROMPT, ...more });
  assert.equal(video.size, '1280x720');
  told('create: ratio, seed and metadata as further fields');
  return [...made, video.id];
}

async function deletions() {
  const live = await client.videos.create({ prompt: 'A lake [sandbox:seconds=90]', model: 'gen4.5' });
  const early = await refused(client.videos.downloadContent(live.id), sdk.NotFoundError);
  assert.equal(early.code, 'video_not_ready');
  assert.equal((await client.videos.delete(live.id)).object, 'video.deleted');
  assert.equal((await ended(live.id)).error.code, 'cancelled');
  const { id } = await client.videos.create({ prompt: PROMPT, model: 'gen4.5' });
  await ended(id);
  const answer = await client.videos.delete(id);
  assert.deepEqual([answer.id, answer.object, answer.deleted], [id, 'video.deleted', true]);
  await refused(client.videos.retrieve(id), sdk.NotFoundError);
  told('delete: a live one is cancelled, a finished one is gone');
  return id;
}

async function listed(made, deleted) {
  const falling = [];
  let pages = 0;
  for await (const page of (await client.videos.list({ limit: 4 })).iterPages()) {
    pages += 1;
    falling.push(...page.data.map((video) => video.id));
  }
  const rising = [];
  for await (const video of client.videos.list({ limit: 4, order: 'asc' })) rising.push(video.id);
  assert.ok(pages >= 3, `${pages} pages`);
  assert.deepEqual(falling, rising.toReversed?.() ?? [...rising].reverse());
  assert.equal(new Set(falling).size, falling.length);
  assert.ok(made.every((id) => falling.includes(id)) && !falling.includes(deleted));
  told(`list: ${falling.length} in ${pages} pages, the same in both orders`);
}

async function refusals(made) {
  for (const [param, wrong] of Object.entries({
    size: { size: '1x1' },
    seconds: { seconds: '99' },
    model: { model: 'gen0' },
    prompt: { prompt: '' },
  })) {
    const call = client.videos.create({ model: 'gen4.5', prompt: 'A lake', ...wrong });
    const error = await refused(call, sdk.BadRequestError);
    assert.deepEqual([error.param, error.type], [param, 'invalid_request_error']);
    assert.ok(error.requestID && error.code, error.message);
  }
  const missing = await refused(client.videos.retrieve(UNKNOWN), sdk.NotFoundError);
  assert.ok(missing.requestID);
  told('bad requests name their field; an unknown id is not found');
  const headers = { 'Idempotency-Key': `ci-node-${Date.now()}` };
  const first = await client.videos.create({ prompt: PROMPT }, { headers });
  assert.equal((await client.videos.create({ prompt: PROMPT }, { headers })).id, first.id);
  let before = sent;
  await refused(client.videos.create({ prompt: 'Another' }, { headers }), sdk.ConflictError);
  const remix = client.videos.remix(made, { prompt: 'At night' });
  assert.equal((await refused(remix, sdk.InternalServerError)).status, 501);
  assert.equal(sent, before + 2, 'the SDK repeated what no repeat mends');
  told('a conflict and what is not offered are asked once');
}

async function refused(call, kind) {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof kind, `wanted ${kind.name}, got ${error}`);
    return error;
  }
  assert.fail(`wanted ${kind.name}, and it was done`);
}

function pngSize(content) {
  assert.equal(content.subarray(0, 8).toString('hex'), '89504e470d0a1a0a');
  return [content.readUInt32BE(16), content.readUInt32BE(20)];
}

function told(what) {
  console.log(`ok: ${what}`);
}

await main();
