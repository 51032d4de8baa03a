/** Which address a pairing code holds, and what a person is told to set where no phone can reach it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { PairingView } from '../../protocol/auth.js';
import { pairingAddress } from '../../server/assembly/create-access.js';
import { type Setup, withDaemon } from '../support/brief-daemon.js';
import { createCertificate } from '../support/certificate.js';
import type { DaemonFolders } from '../support/daemon.js';
import { askLocally } from '../support/identity-world.js';

const ipv4 = (address: string, internal = false) => ({ address, family: 'IPv4' as const, internal });
const facts = {
  servedAt: 'http://127.0.0.1:3001',
  publicUrl: undefined,
  allowedHosts: [] as string[],
  tailscaleName: undefined,
  interfaces: {
    lo: [ipv4('127.0.0.1', true)],
    wlan0: [ipv4('192.168.1.5'), { address: 'fe80::1', family: 'IPv6' as const, internal: false }],
    usb0: [ipv4('169.254.7.7')],
    tailscale0: [ipv4('100.101.102.103')],
  },
};

describe('a pairing code', () => {
  test.each(['https://machine.tailnet.ts.net', 'https://companion.example:8443'])(
    'holds PUBLIC_URL, %s, wherever the daemon listens',
    (publicUrl) => {
      for (const servedAt of ['http://127.0.0.1:3001', 'https://0.0.0.0:3001', 'https://192.168.1.5:3001']) {
        expect(pairingAddress({ ...facts, servedAt, publicUrl })).toEqual({ url: publicUrl });
      }
    },
  );

  test.each(['https://192.168.1.5:3001', 'https://[2001:db8::1]:3001', 'https://machine.local:3001'])(
    'holds %s, where the daemon listens, when others reach it',
    (servedAt) => {
      expect(pairingAddress({ ...facts, servedAt })).toEqual({ url: servedAt });
    },
  );

  test.each(['https://0.0.0.0:3001', 'https://[::]:3001'])(
    'of a daemon at %s holds the address or name of this machine that is in ALLOWED_HOSTS',
    (servedAt) => {
      const tailscaleName = 'machine.tailnet.ts.net';
      const held = (...allowedHosts: string[]) =>
        pairingAddress({ ...facts, servedAt, allowedHosts, tailscaleName }).url;
      expect(held('elsewhere.example', '192.168.1.5')).toBe('https://192.168.1.5:3001');
      expect(held('192.168.1.5', 'Machine.tailnet.ts.net')).toBe('https://machine.tailnet.ts.net:3001');
      expect(held('elsewhere.example', '169.254.7.7', '127.0.0.1')).toBe(servedAt);
    },
  );

  test('does not send a phone to plain HTTP, which a proxy on another port serves with TLS', () => {
    const { url, note } = pairingAddress({ ...facts, servedAt: 'http://0.0.0.0:3001', allowedHosts: ['192.168.1.5'] });
    expect(url).toBe('http://0.0.0.0:3001');
    expect(note).toContain('PUBLIC_URL=https://192.168.1.5:3001');
  });
});

describe('a pairing code that no phone can use', () => {
  test.each(['http://127.0.0.1:3001', 'http://localhost:3001', 'http://[::1]:3001'])(
    'with %s says which settings to start with, for each address of this machine',
    (servedAt) => {
      const { url, note } = pairingAddress({ ...facts, servedAt, tailscaleName: 'machine.tailnet.ts.net' });
      expect(url).toBe(servedAt);
      expect(note?.split('\n')).toEqual([
        `No other device can reach ${servedAt}, which this code holds.`,
        'Stop the daemon, and start it with one of:',
        '  PUBLIC_URL=https://machine.tailnet.ts.net TRUST_PROXY=true (after: tailscale serve --bg 3001)',
        '  HOST=0.0.0.0 TLS_CERT_FILE=<certificate> TLS_KEY_FILE=<key> ALLOWED_HOSTS=192.168.1.5 PUBLIC_URL=https://192.168.1.5:3001',
        '  HOST=0.0.0.0 TLS_CERT_FILE=<certificate> TLS_KEY_FILE=<key> ALLOWED_HOSTS=100.101.102.103 PUBLIC_URL=https://100.101.102.103:3001 (Tailscale)',
        'README.md describes each way under "To a phone".',
      ]);
    },
  );

  test.each(['https://0.0.0.0:443', 'https://[::]:443'])('with %s names only what is missing', (servedAt) => {
    const { note } = pairingAddress({ ...facts, servedAt, tailscaleName: 'machine.tailnet.ts.net' });
    expect(note?.split('\n').slice(2, 4)).toEqual([
      '  PUBLIC_URL=https://machine.tailnet.ts.net:443',
      '  ALLOWED_HOSTS=192.168.1.5 PUBLIC_URL=https://192.168.1.5:443',
    ]);
  });

  test.each(['http://127.0.0.1:8080', 'https://169.254.7.7:3001'])('with PUBLIC_URL=%s says so', (publicUrl) => {
    expect(pairingAddress({ ...facts, publicUrl }).note).toContain(`No other device can reach ${publicUrl}`);
  });

  test('on a machine without a network asks for PUBLIC_URL', () => {
    expect(pairingAddress({ ...facts, interfaces: {} }).note).toContain('start it with PUBLIC_URL set to an address');
  });
});

/** A program that stands in for Tailscale's, as it answers `tailscale status --json`. */
function tailscale(script: string, settings: (folders: DaemonFolders) => Record<string, string> = () => ({})): Setup {
  return {
    prepare: (folders) => {
      const folder = join(folders.base, 'bin');
      mkdirSync(folder);
      writeFileSync(join(folder, 'tailscale'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      return { PATH: `${folder}:${process.env.PATH ?? ''}`, ...settings(folders) };
    },
  };
}

const ANSWER = `[ "$*" = "status --json" ] && echo '{"Self":{"DNSName":"machine.tailnet.ts.net."},"Peer":{}}'`;

const pairingOf = (home: string) => askLocally<PairingView>({ home }, 'POST', '/local/pair', {});

const SILENT: [what: string, script: string][] = [
  ['is not running', 'echo "failed to connect to local tailscaled" >&2; exit 1'],
  ['answers no JSON', 'echo ok'],
  ['is logged out', `echo '{"Self":{"DNSName":""}}'`],
  ['answers what is not a name', `printf '{"Self":{"DNSName":"a\\\\u001b[31m b"}}'`],
  ['never answers', 'exec sleep 600'],
];

describe('the Tailscale name', () => {
  test('is asked of Tailscale for each pairing code, and left out while it does not tell', async () => {
    await withDaemon(tailscale(ANSWER), async ({ folders }) => {
      const { note } = await pairingOf(folders.home);
      expect(note).toContain(
        'PUBLIC_URL=https://machine.tailnet.ts.net TRUST_PROXY=true (after: tailscale serve --bg ',
      );
      for (const [what, script] of SILENT) {
        writeFileSync(join(folders.base, 'bin/tailscale'), `#!/bin/sh\n${script}\n`);
        const { note: without } = await pairingOf(folders.home);
        expect([what, without]).toEqual([what, expect.stringContaining('No other device can reach http://127.0.0.1:')]);
        expect([what, without]).toEqual([what, expect.not.stringContaining('tailscale serve')]);
      }
    });
  });

  test('is in the code of a daemon that speaks TLS on all interfaces and allows it', async () => {
    const setup = tailscale(ANSWER, ({ base }) => {
      const { certificate, key } = createCertificate(['machine.tailnet.ts.net']);
      const files = { TLS_CERT_FILE: join(base, 'cert.pem'), TLS_KEY_FILE: join(base, 'key.pem') };
      writeFileSync(files.TLS_CERT_FILE, certificate);
      writeFileSync(files.TLS_KEY_FILE, key, { mode: 0o600 });
      return { ...files, HOST: '0.0.0.0', ALLOWED_HOSTS: 'machine.tailnet.ts.net' };
    });
    await withDaemon(setup, async ({ folders }) => {
      const { url, note } = await pairingOf(folders.home);
      expect(new URL(url).searchParams.get('url')).toMatch(/^https:\/\/machine\.tailnet\.ts\.net:\d+$/);
      expect(note).toBeUndefined();
    });
  });
});

test('the first start in a terminal shows the same note', async () => {
  const setup = tailscale(ANSWER, ({ base }) => {
    const preload = join(base, 'terminal.cjs');
    writeFileSync(preload, 'process.stderr.isTTY = true;');
    return { NODE_OPTIONS: `--require=${preload}` };
  });
  await withDaemon({ ...setup, environment: { AUTH_TOKEN: undefined } }, async ({ stderr }) => {
    expect(stderr()).toContain('To pair a phone, scan this within 10 minutes:');
    expect(stderr()).toContain('  PUBLIC_URL=https://machine.tailnet.ts.net TRUST_PROXY=true (after: tailscale serve');
  });
});
