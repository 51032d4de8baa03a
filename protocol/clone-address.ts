/** Addresses from which repositories are cloned. */
import * as z from 'zod';

const MAX_ADDRESS = 2048;

const HOST = String.raw`(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)`;
const USER = String.raw`[A-Za-z0-9_][\w.-]*`;
/** Neither the marks of a query or fragment, nor what a shell or a terminal would take for something else. */
const PATH = String.raw`[\p{L}\p{M}\p{N}._~%!$&'()*+,;=:@/-]+`;

const WEB = new RegExp(`^https?://${HOST}(?::\\d{1,5})?/${PATH}$`, 'u');
const SSH = new RegExp(`^ssh://(?:${USER}@)?${HOST}(?::\\d{1,5})?/${PATH}$`, 'u');
/** As ssh and scp write it. A path that begins with a dash could be taken for an option, and a colon for a helper. */
const SCP = new RegExp(`^${USER}@${HOST}:(?![-:])${PATH}$`, 'u');

/** Unencrypted: only where nobody is between. */
const LOOPBACK = /^http:\/\/(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?\//;
const HIDDEN_CONTROL = /%(?:[01][0-9a-f]|7f)/i;
const WITH_USER = /^https?:\/\/[^/]*@/i;
const WITH_PASSWORD = /^[a-z+]+:\/\/[^/]*:[^/]*@/i;

const KINDS = 'must be an address such as https://host/path, ssh://host/path or git@host:path';

/** The rule that the address breaks; undefined for one that can be cloned. It never repeats the address. */
function brokenAddressRule(address: string): string | undefined {
  if (WITH_USER.test(address) || WITH_PASSWORD.test(address)) {
    return 'must not contain a password or a token, nor a user with https; git finds them on the machine of the daemon';
  }
  if (/^(?:https?|ssh):\/\/[^?#]*[?#]/i.test(address)) return 'must not have a query or a fragment';
  if (![WEB, SSH, SCP].some((form) => form.test(address)) || HIDDEN_CONTROL.test(address)) return KINDS;
  if (address.startsWith('http:') && !LOOPBACK.test(address)) return 'must begin with https, except on this machine';
  return undefined;
}

export const cloneAddressSchema = z
  .string()
  .max(MAX_ADDRESS)
  .superRefine((address, context) => {
    const rule = brokenAddressRule(address);
    if (rule !== undefined) context.addIssue({ code: 'custom', message: rule });
  });

/** The last part of the path without `.git`, as git names the folder; empty where there is none. */
export function nameInAddress(address: string): string {
  const last =
    address
      .replace(/\/+$/, '')
      .replace(/(?:\/|\.)git$/, '')
      .split(/[/:]/)
      .at(-1) ?? '';
  try {
    return decodeURIComponent(last);
  } catch {
    // It only throws for what is not encoded text.
    return last;
  }
}

/** The only transport of git that an accepted address uses, which redirections must not leave. */
export const transportOf = (address: string): 'https' | 'http' | 'ssh' => {
  if (address.startsWith('https:')) return 'https';
  return address.startsWith('http:') ? 'http' : 'ssh';
};
