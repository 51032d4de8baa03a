import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/** IPv4 ranges without servers of the public internet: the special-purpose registry of RFC 6890, and multicast. */
const SPECIAL_IPV4: readonly (readonly [network: string, bits: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/**
 * IPv6 addresses that contain an IPv4 address in their last 32 bits: mapped, and NAT64 (RFC 6052), as returned by
 * DNS64.
 */
const CARRIERS = ['::ffff:', '64:ff9b::'];
const CARRIER_BITS = 96;

/** Within 2000::/3: protocol assignments with Teredo, documentation, 6to4. */
const SPECIAL_IPV6: readonly (readonly [network: string, bits: number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

/** Every other IPv6 address is loopback, link-local, unique local, multicast, local NAT64 or not assigned. */
const GLOBAL_IPV6 = new BlockList();
GLOBAL_IPV6.addSubnet('2000::', 3, 'ipv6');
for (const carrier of CARRIERS) GLOBAL_IPV6.addSubnet(`${carrier}0.0.0.0`, CARRIER_BITS, 'ipv6');

const SPECIAL = new BlockList();
for (const [network, bits] of SPECIAL_IPV6) SPECIAL.addSubnet(network, bits, 'ipv6');
for (const [network, bits] of SPECIAL_IPV4) {
  SPECIAL.addSubnet(network, bits, 'ipv4');
  for (const carrier of CARRIERS) SPECIAL.addSubnet(`${carrier}${network}`, CARRIER_BITS + bits, 'ipv6');
}

/**
 * Whether an IP address belongs to a server of the public internet. False for private, loopback, link-local, shared
 * (CGNAT), multicast and reserved ranges, for IPv6 addresses that contain such an IPv4 address, and for text that is no
 * address.
 */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !SPECIAL.check(address, 'ipv4');
    case 6:
      return !address.includes('%') && GLOBAL_IPV6.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6');
    default:
      return false;
  }
}

/** Whether it is an address of this machine: a firewall shields its ports from others, but not from the daemon. */
export function isOwnAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  const own = new BlockList();
  for (const { address: one, family: kind } of Object.values(networkInterfaces()).flatMap((all) => all ?? []))
    own.addAddress(one, kind === 'IPv4' ? 'ipv4' : 'ipv6');
  return own.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
