// Makes the metadata beside it with @tufjs/models, the library of tuf-js:
// "npm install tuf-js", then "node make.mjs DIR" from that directory.
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const need = createRequire(process.cwd() + '/');
const { Metadata, Root, Targets, Snapshot, Timestamp, Key, MetaFile, Signature, TargetFile } =
  need('@tufjs/models');
const { Role, DelegatedRole } = need('@tufjs/models/dist/role');
const { Delegations } = need('@tufjs/models/dist/delegations');

const out = process.argv[2];
mkdirSync(out, { recursive: true });
const specVersion = '1.0.31', expires = '2036-09-01T12:00:00Z';

function key(name) {
  const seed = createHash('sha256').update(name).digest();
  const secret = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' });
  const publicHex = createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
  const id = createHash('sha256').update(`{"keytype":"ed25519","keyval":{"public":"${publicHex}"},"scheme":"ed25519"}`).digest('hex');
  const keyObject = new Key({ keyID: id, keyType: 'ed25519', scheme: 'ed25519', keyVal: { public: publicHex } });
  return { id, secret, keyObject };
}
const keys = Object.fromEntries(['root-1', 'root-2', 'root-3', 'online', 'release'].map((n) => [n, key(n)]));

function write(name, signed, by) {
  const m = new Metadata(signed);
  for (const n of by) m.sign((data) => new Signature({ keyID: keys[n].id, sig: sign(null, data, keys[n].secret).toString('hex') }), true);
  writeFileSync(`${out}/${name}.json`, JSON.stringify(m.toJSON(), null, 1) + '\n');
}

const stamp = { 'x-taproot-signed-at': 1788264000 };
const rootIDs = ['root-1', 'root-2', 'root-3'].map((n) => keys[n].id);
for (const version of [1, 2]) {
  write(`${version}.root`, new Root({
    specVersion, version, expires, consistentSnapshot: true, unrecognizedFields: stamp,
    keys: Object.fromEntries(['root-1', 'root-2', 'root-3', 'online'].map((n) => [keys[n].id, keys[n].keyObject])),
    roles: {
      root: new Role({ keyIDs: rootIDs, threshold: 2 }), targets: new Role({ keyIDs: rootIDs, threshold: 2 }),
      snapshot: new Role({ keyIDs: [keys.online.id], threshold: 1 }), timestamp: new Role({ keyIDs: [keys.online.id], threshold: 1 }),
    },
  }), ['root-1', 'root-3']);
}
write('1.targets', new Targets({
  specVersion, version: 1, expires, targets: {},
  delegations: new Delegations({
    keys: { [keys.release.id]: keys.release.keyObject },
    roles: { releases: new DelegatedRole({ name: 'releases', keyIDs: [keys.release.id], threshold: 1, terminating: true, paths: ['*'] }) },
  }),
}), ['root-2', 'root-3']);
write('1.releases', new Targets({
  specVersion, version: 1, expires,
  targets: {
    'pc-1.slot.zst': new TargetFile({
      path: 'pc-1.slot.zst', length: 6, hashes: { sha256: createHash('sha256').update('a slot').digest('hex') },
      unrecognizedFields: { custom: { board: 'pc', release: 'Käse "1"', counter: 1, slot: '0f'.repeat(32), size: 6, time: 1 } },
    }),
  },
}), ['release']);
const meta = (version) => new MetaFile({ version });
write('1.snapshot', new Snapshot({ specVersion, version: 1, expires, meta: { 'targets.json': meta(1), 'releases.json': meta(1) } }), ['online']);
write('timestamp', new Timestamp({ specVersion, version: 1, expires, snapshotMeta: meta(1), unrecognizedFields: stamp }), ['online']);
