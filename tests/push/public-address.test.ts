/** Which addresses the daemon may be made to push to. */
import { networkInterfaces } from 'node:os';
import { expect, test } from '@jest/globals';
import { isOwnAddress, isPublicAddress } from '../../services/push/web/push-reach.js';

test.each([
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '100.64.0.1',
  '100.127.255.255',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.8',
  '192.0.2.1',
  '192.168.1.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.250',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:a00:1',
  '::ffff:0:127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b::c0a8:101',
  '64:ff9b:1::808:808',
  '100::1',
  '2001::1',
  '2001:0:4136:e378:8000:63bf:3fff:fdd2',
  '2001:db8::1',
  '2002:7f00:1::1',
  '2002:808:808::1',
  '3fff::1',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  'push.example.org',
  '',
])('%p is not public', (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each([
  '1.1.1.1',
  '8.8.8.8',
  '17.57.144.10',
  '100.63.255.255',
  '100.128.0.1',
  '172.15.0.1',
  '172.32.0.1',
  '192.169.0.1',
  '223.255.255.255',
  '2001:4860:4860::8888',
  '2606:4700:4700::1111',
  '2620:149:a44::1',
  '::ffff:8.8.8.8',
  // What DNS64 gives in a network without IPv4.
  '64:ff9b::808:808',
])('%p is public', (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test('every address of this machine is its own, also mapped into IPv6, and another is not', () => {
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
  expect(own).toContain('127.0.0.1');
  expect(own.filter((address) => !isOwnAddress(address))).toEqual([]);
  expect(isOwnAddress('::ffff:127.0.0.1')).toBe(true);
  expect(isOwnAddress('8.8.8.8')).toBe(false);
});
