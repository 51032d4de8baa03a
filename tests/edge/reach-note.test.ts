import { expect, test } from '@jest/globals';
import { reachNote } from '../../server/reach-note.js';

const interfaces = {
  lo: [{ address: '127.0.0.1', family: 'IPv4' as const, internal: true }],
  wlan0: [
    { address: '192.168.1.5', family: 'IPv4' as const, internal: false },
    { address: 'fe80::1', family: 'IPv6' as const, internal: false },
  ],
  tailscale0: [{ address: '100.101.102.103', family: 'IPv4' as const, internal: false }],
};

test.each([
  'http://127.0.0.1:3001',
  'https://0.0.0.0:3001',
  'http://localhost:1',
  'https://[::]:3001',
  'http://[::1]:1',
])('a pairing link with %s says what to set, and names the addresses of the machine', (url) => {
  const note = reachNote(url, interfaces);
  expect(note).toContain(`No other device can reach ${url}`);
  expect(note).toContain('Set PUBLIC_URL');
  expect(note).toMatch(/Addresses of this machine: 192\.168\.1\.5, 100\.101\.102\.103 \(Tailscale\)\.$/);
});

test.each(['https://machine.tailnet.ts.net', 'https://192.168.1.5:3001', 'https://[2001:db8::1]:1'])(
  'a pairing link with %s needs no note',
  (url) => {
    expect(reachNote(url, interfaces)).toBeUndefined();
  },
);
