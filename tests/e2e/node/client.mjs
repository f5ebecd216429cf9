// A client that is not ours, over mutual TLS: lists, gets and watches, and checks what it got.
//
//   MVMD_ADDRESS=.. MVMD_CA=.. MVMD_CERT=.. MVMD_KEY=.. node client.mjs PROTO_DIR TWIN
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const [protoDir, twinId] = process.argv.slice(2);
const SAMPLES_WANTED = 50;
const DEADLINE_MS = 20_000;

function connect() {
  const definition = protoLoader.loadSync('mvmd/twin/v1alpha1/twin_service.proto', {
    includeDirs: [protoDir], longs: Number, enums: String, oneofs: true, defaults: true,
  });
  const { TwinService } = grpc.loadPackageDefinition(definition).mvmd.twin.v1alpha1;
  const file = (name) => readFileSync(process.env[name]);
  const credentials = grpc.credentials.createSsl(file('MVMD_CA'), file('MVMD_KEY'), file('MVMD_CERT'));
  return new TwinService(process.env.MVMD_ADDRESS, credentials);
}

const deadline = () => ({ deadline: Date.now() + DEADLINE_MS });

async function checkList(client) {
  const list = promisify(client.listTwins.bind(client));
  const { twins } = await list({ pageSize: 1 }, deadline());
  assert.equal(twins.length, 1);
  assert.equal(twins[0].twinId, twinId);
  assert.match(twins[0].etag, /^[0-9a-f]{64}$/);
  assert.equal(twins[0].canonical.length, 0, 'a list carries no documents unless asked');
  return twins.length;
}

async function checkGet(client) {
  const get = promisify(client.getTwin.bind(client));
  const { twin, appliedRevision } = await get({ twinId, view: 'TWIN_VIEW_BOTH' }, deadline());
  assert.equal(createHash('sha256').update(twin.canonical).digest('hex'), twin.etag);
  const document = JSON.parse(twin.canonical.toString('utf8'));
  assert.equal(document.identifier.value, twinId);
  assert.deepEqual(twin.twin.sensors.map((sensor) => sensor.id), document.sensors.map((sensor) => sensor.id));
  assert.ok(appliedRevision >= twin.revision);
  return document;
}

// C2, a condition, and a mask.
async function checkForms(client) {
  const get = promisify(client.getTwin.bind(client));
  const { twin } = await get({ twinId, definitionOnly: true, lossless: true, includeLinkedData: true }, deadline());
  assert.equal(createHash('sha256').update(twin.canonical).digest('hex'), twin.etag);
  assert.equal(createHash('sha256').update(twin.linkedData.nquads).digest('hex'), twin.linkedData.digest);
  const lines = twin.linkedData.nquads.toString('utf8').trimEnd().split('\n');
  assert.ok(lines.length > 1);
  for (const line of lines) assert.match(line, /^(<[^<>"]+>|_:c14n\d+) <[^<>"]+> .+ \.$/);
  const again = await get({ twinId, definitionOnly: true, lossless: true, ifNoneMatch: twin.etag }, deadline());
  assert.equal(again.notModified, true);
  assert.equal(again.twin.canonical.length, 0);
  const part = await get({ twinId, readMask: { paths: ['etag', 'twin.sensors'] } }, deadline());
  assert.match(part.twin.etag, /^[0-9a-f]{64}$/);
  assert.equal(part.twin.twinId, '');
  assert.ok(part.twin.twin.sensors.length > 0);
  assert.equal(part.twin.twin.name, '');
  await assert.rejects(get({ twinId, readMask: { paths: ['sensors'] } }, deadline()), {
    code: grpc.status.INVALID_ARGUMENT, message: /read_mask.*sensors/,
  });
}

async function checkErrors(client) {
  const get = promisify(client.getTwin.bind(client));
  await assert.rejects(get({ twinId: 'no-such-twin' }, deadline()), { code: grpc.status.NOT_FOUND });
}

// A snapshot first, then samples, with revisions that never go back.
function checkWatch(client) {
  return new Promise((resolve, reject) => {
    const stream = client.watchTwins({ twinIds: [twinId], bookmarkInterval: { seconds: 1 } }, deadline());
    const seen = { snapshots: 0, samples: 0, revision: 0, resumeToken: '' };
    stream.on('error', (error) => (error.code === grpc.status.CANCELLED ? resolve(seen) : reject(error)));
    stream.on('end', () => reject(new Error('the watch ended by itself')));
    stream.on('data', (response) => {
      try {
        assert.ok(response.revision >= seen.revision, 'revisions grow');
        seen.revision = response.revision;
        seen.resumeToken = response.resumeToken || seen.resumeToken;
        for (const change of response.changes) {
          assert.equal(change.twinId, twinId);
          if (change.document) seen.snapshots += 1;
          if (change.samples) {
            assert.equal(seen.snapshots, 1, 'the snapshot comes first');
            seen.samples += change.samples.samples.length;
          }
        }
      } catch (error) {
        stream.removeAllListeners('error');
        stream.on('error', () => {});
        stream.cancel();
        reject(error);
        return;
      }
      if (seen.samples >= SAMPLES_WANTED) stream.cancel();
    });
  });
}

const client = connect();
try {
  const listed = await checkList(client);
  const document = await checkGet(client);
  await checkForms(client);
  await checkErrors(client);
  const watched = await checkWatch(client);
  assert.ok(watched.resumeToken.length > 0);
  console.log(JSON.stringify({ listed, name: document.name, watched }));
} finally {
  client.close();
}
