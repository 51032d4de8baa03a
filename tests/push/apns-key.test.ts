/** What a sender to Apple says about the credential that it is given; the daemon starts in any case. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { ApnsCredentialSettings } from '../../services/push/apns/apns-key.js';
import { KEY_ID, startApnsServer, TEAM_ID } from '../support/apns-server.js';
import { createCertificate } from '../support/certificate.js';
import { useApns } from './support/apns-stage.js';
import { message, registration, tokenKey } from './support/push-samples.js';

const apns = useApns();
const ids = { keyId: KEY_ID, teamId: TEAM_ID };

/** It sends nothing, says why and what to do, and repeats no secret. */
async function expectProblem(credential: ApnsCredentialSettings, said: RegExp): Promise<void> {
  const sender = apns.sender({ credential });
  expect(sender.problem?.message).toMatch(said);
  expect(sender.problem?.remedy).toMatch(/\w/);
  const outcome = await sender.send(registration(), message());
  expect(outcome).toEqual({ kind: 'failed', reason: sender.problem?.message });
  const told = JSON.stringify([sender.problem, outcome]);
  expect(told).not.toContain('PRIVATE KEY');
  if (credential.key !== undefined && credential.key !== '') expect(told).not.toContain(credential.key);
  expect(apns.production.sessions()).toBe(0);
}

describe('a token key', () => {
  test('is taken from a file, from text, from text with written line ends, and from bare base64', async () => {
    const bare = apns.key.replaceAll(/-----[A-Z ]+-----|\n/g, '');
    const credentials: ApnsCredentialSettings[] = [
      { ...ids, keyFile: apns.file('AuthKey.p8', apns.key) },
      { ...ids, key: apns.key },
      { ...ids, key: apns.key.replaceAll('\n', '\\n') },
      { ...ids, key: bare },
    ];
    for (const credential of credentials) {
      const sender = apns.sender({ credential });
      expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
    }
    expect(apns.production.violations).toEqual([]);
  });

  test('O1: that is not there, a folder, empty, no key, or another curve is told with a remedy', async () => {
    const folder = join(apns.folder, 'folder');
    mkdirSync(folder);
    await expectProblem({ ...ids, keyFile: join(apns.folder, 'none.p8') }, /APNS_KEY_FILE cannot be read \(ENOENT\)/);
    await expectProblem({ ...ids, keyFile: folder }, /APNS_KEY_FILE cannot be read \(EISDIR\)/);
    await expectProblem({ ...ids, keyFile: apns.file('empty.p8', '') }, /APNS_KEY_FILE does not contain a private key/);
    await expectProblem({ ...ids, key: 'a secret that is no key' }, /APNS_KEY does not contain a private key/);
    await expectProblem({ ...ids, key: apns.key.slice(0, 100) }, /APNS_KEY does not contain a private key/);
    await expectProblem({ ...ids, key: tokenKey('P-384').pem }, /does not contain a P-256 key/);
  });

  test('O1: without its ids names the setting that is missing', async () => {
    await expectProblem({ key: apns.key, teamId: TEAM_ID }, /APNS_KEY_ID is not set/);
    await expectProblem({ key: apns.key, keyId: KEY_ID }, /APNS_TEAM_ID is not set/);
  });

  test('O1: that Apple does not know is a problem, and no secret is in what is told', async () => {
    const { pem } = tokenKey();
    const sender = apns.sender({ credential: { ...ids, key: pem } });
    expect(await sender.send(registration(), message())).toEqual({ kind: 'failed', reason: 'InvalidProviderToken' });
    expect(sender.problem?.remedy).toContain('APNS_KEY_ID');
  });
});

describe('a certificate', () => {
  test('is what the client shows instead of a token', async () => {
    const { certificate, key } = createCertificate(['companion']);
    const server = await startApnsServer({});
    try {
      const sender = apns.sender({
        credential: {
          certificateFile: apns.file('cert.pem', certificate),
          certificateKeyFile: apns.file('key.pem', key),
        },
        caFile: apns.file('server.pem', server.ca),
        endpoints: { production: server, sandbox: server },
      });
      expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
      expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
      await sender.close();
    } finally {
      await server.close();
    }
  });

  test("O1: that is none, or another key's, is told with a remedy", async () => {
    const { certificate, key } = createCertificate(['companion']);
    const certificateFile = apns.file('cert.pem', certificate);
    const certificateKeyFile = apns.file('key.pem', key);
    const foreign = apns.file('foreign.pem', tokenKey().pem);
    await expectProblem({ certificateFile }, /APNS_CERT_KEY_FILE is not set/);
    await expectProblem({ certificateFile: certificateKeyFile, certificateKeyFile }, /does not contain a certificate/);
    await expectProblem({ certificateFile, certificateKeyFile: certificateFile }, /does not contain a private key/);
    await expectProblem({ certificateFile, certificateKeyFile: foreign }, /is not the key of APNS_CERT_FILE/);
  });
});

test('O1: certificates to trust that cannot be read are a problem', () => {
  const sender = apns.sender({ caFile: join(apns.folder, 'none.pem') });
  expect(sender.problem?.message).toContain('APNS_CA_FILE');
});
