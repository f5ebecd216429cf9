// Data Integrity proofs by an implementation that is not ours (Digital Bazaar's).
//
//   node proof.mjs verify FILE DID     # exit code 1 unless DID has signed the document
//   node proof.mjs sign FILE           # prints the DID of a new key, then the signed document, a line each
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { DataIntegrityProof } from '@digitalbazaar/data-integrity';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import { createSignCryptosuite, createVerifyCryptosuite } from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import jsigs from 'jsonld-signatures';

const { purposes: { AssertionProofPurpose } } = jsigs;

// did:key: the DID is the key. Nothing is fetched.
async function documentLoader(url) {
  const [did, key] = url.split('#');
  assert.ok(did.startsWith('did:key:'), `nothing but did:key is known here, got ${url}`);
  const method = {
    '@context': 'https://w3id.org/security/multikey/v1',
    id: `${did}#${did.slice('did:key:'.length)}`,
    type: 'Multikey',
    controller: did,
    publicKeyMultibase: did.slice('did:key:'.length),
  };
  const controller = {
    '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/multikey/v1'],
    id: did,
    verificationMethod: [method],
    assertionMethod: [method.id],
  };
  return { contextUrl: null, documentUrl: url, document: key === undefined ? controller : method };
}

// eddsa-jcs-2022-cryptosuite 1.0.0 compares the contexts of proof and document by identity: inline ones, which are objects, must
// be the same object, and never are after reading JSON. Equal ones are made the same here; others are left for it to refuse.
function shareContexts(document) {
  const listOf = (context) => (Array.isArray(context) ? context : [context]);
  const contexts = listOf(document['@context']);
  const signed = document.proof?.['@context'];
  if (!signed) return;
  const shared = listOf(signed).map((entry, i) => (isDeepStrictEqual(entry, contexts[i]) ? contexts[i] : entry));
  document.proof['@context'] = Array.isArray(signed) ? shared : shared[0];
}

async function verify(document, did) {
  shareContexts(document);
  const suite = new DataIntegrityProof({ cryptosuite: createVerifyCryptosuite() });
  const result = await jsigs.verify(document, { suite, purpose: new AssertionProofPurpose(), documentLoader });
  if (!result.verified) throw result.error;
  assert.deepEqual(result.results.map((one) => one.verificationMethod.controller), [did]);
  return did;
}

async function sign(document) {
  const key = await Ed25519Multikey.generate();
  key.controller = `did:key:${key.publicKeyMultibase}`;
  key.id = `${key.controller}#${key.publicKeyMultibase}`;
  const suite = new DataIntegrityProof({ signer: key.signer(), cryptosuite: createSignCryptosuite() });
  const purpose = new AssertionProofPurpose();
  return [key.controller, JSON.stringify(await jsigs.sign(document, { suite, purpose, documentLoader }))];
}

const [command, file, did] = process.argv.slice(2);
const document = JSON.parse(readFileSync(file, 'utf8'));
try {
  if (command === 'verify') console.log(`verified, by ${await verify(document, did)}`);
  else if (command === 'sign') console.log((await sign(document)).join('\n'));
  else throw new Error(`expected verify or sign, got ${command}`);
} catch (error) {
  console.error(error.errors?.map(String).join('\n') ?? error);
  process.exitCode = 1;
}
