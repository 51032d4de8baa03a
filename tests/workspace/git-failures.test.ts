import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parseProgress } from '../../services/workspace/git/clone-progress.js';
import { cloneRepository } from '../../services/workspace/git/clone-repository.js';
import { gitFailure } from '../../services/workspace/git/git-failure.js';

test('a machine without git says so', async () => {
  const staging = mkdtempSync(join(tmpdir(), 'companion-clone-'));
  const cloned = cloneRepository({
    address: 'https://example.org/shop.git',
    addressField: 'cloneUrl',
    staging,
    made: join(staging, 'made'),
    environment: { PATH: join(staging, 'nothing') },
    mark: {},
    maxBytes: 1,
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  await expect(cloned).rejects.toMatchObject({
    code: 'CONFLICT',
    details: { field: 'cloneUrl', rule: 'must be on a machine that has git', suggestion: expect.any(String) },
  });
  rmSync(staging, { recursive: true });
});

test('a clone that takes too long is ended', async () => {
  const staging = mkdtempSync(join(tmpdir(), 'companion-clone-'));
  const cloned = cloneRepository({
    address: 'http://127.0.0.1:1/shop.git',
    addressField: 'cloneUrl',
    staging,
    made: join(staging, 'made'),
    environment: { PATH: process.env.PATH ?? '', HOME: staging },
    mark: {},
    maxBytes: 1,
    timeoutMs: 1,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  await expect(cloned).rejects.toMatchObject({ code: 'TIMEOUT', details: { field: 'cloneUrl' } });
  rmSync(staging, { recursive: true });
});

test.each([
  ['fatal: write error: No space left on device', 'STORAGE_FULL'],
  ["error: unable to write file 'a': Disk quota exceeded", 'STORAGE_FULL'],
  ['Host key verification failed.\nfatal: Could not read from remote repository.', 'PERMISSION_DENIED'],
  [
    'git@example.org: Permission denied (publickey).\nfatal: Could not read from remote repository.',
    'PERMISSION_DENIED',
  ],
  ["fatal: could not read Username for 'https://example.org': terminal prompts disabled", 'PERMISSION_DENIED'],
  ["fatal: unable to access 'https://example.org/': The requested URL returned error: 403", 'PERMISSION_DENIED'],
  ["fatal: unable to access 'https://nobody/': Could not resolve host: nobody", 'NOT_FOUND'],
  ['ERROR: Repository not found.\nfatal: Could not read from remote repository.', 'NOT_FOUND'],
  ["fatal: repository 'https://example.org/a.git/' not found", 'NOT_FOUND'],
  ['ssh: connect to host example.org port 22: Connection refused', 'CONFLICT'],
  ['fatal: unable to access: SSL certificate problem: self-signed certificate', 'CONFLICT'],
  ["fatal: transport 'file' not allowed", 'INVALID_REQUEST'],
  ['fatal: early EOF\nfatal: fetch-pack: invalid index-pack output', 'CONFLICT'],
  ['xcode-select: note: No developer tools were found, requesting install.', 'CONFLICT'],
  ['something else with https://me:secret-word@example.org', 'CONFLICT'],
])('%j is %s, in other words', (complaint, code) => {
  const error = gitFailure(complaint, 'cloneUrl');
  expect(error).toMatchObject({ code, details: { field: 'cloneUrl' } });
  expect(JSON.stringify([error.message, error.details])).not.toContain('secret-word');
});

test.each([
  ['remote: Enumerating objects: 5, done.', { phase: 'counting', done: 5 }],
  ['remote: Compressing objects: 100% (2/2), done.', { phase: 'compressing', percent: 100, done: 2, total: 2 }],
  [
    'Receiving objects:  45% (450/1000), 1.50 MiB | 500.00 KiB/s',
    { phase: 'receiving', percent: 45, done: 450, total: 1000, bytes: 1_572_864 },
  ],
  ['Updating files:   7% (7/100)', { phase: 'checkout', percent: 7, done: 7, total: 100 }],
  ['remote: Receiving pizza: 45% (1/2)', undefined],
  ["Cloning into 'shop'...", undefined],
])('%j is progress as git tells it', (line, progress) => {
  expect(parseProgress(line)).toEqual(progress);
});
