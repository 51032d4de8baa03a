/** The other daemons that a person has: names and addresses, no credentials. Pure. */
import * as z from 'zod';

const daemonSchema = z.object({
  name: z.string(),
  /** Its console has credentials of its own there. */
  origin: z.string(),
  /** When it was last opened from here. */
  openedAt: z.string().optional(),
});
export type Daemon = z.infer<typeof daemonSchema>;
export type Daemons = readonly Daemon[];

const MAX_NAME = 60;

/** What was kept; nothing of it where it is damaged. */
export function parseDaemons(kept: string | null): Daemons {
  try {
    return z.array(daemonSchema).safeParse(JSON.parse(kept ?? '[]')).data ?? [];
  } catch {
    // Not even JSON: nothing else writes there, and the addresses can be typed again.
    return [];
  }
}

/** The origin of what a person types, with or without `https://`; undefined for what is no address of the web. */
export function originOf(typed: string): string | undefined {
  const text = typed.trim();
  const url = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  if (text === '' || !URL.canParse(url)) return undefined;
  const { protocol, origin, username, password } = new URL(url);
  return /^https?:$/.test(protocol) && username + password === '' ? origin : undefined;
}

/** Undefined for what is no address of another daemon. One that is known gets the new name. */
export function withDaemon(
  known: Daemons,
  { name, address, own }: { name: string; address: string; own: string },
): Daemons | undefined {
  const origin = originOf(address);
  if (origin === undefined || origin === own) return undefined;
  const before = known.find((one) => one.origin === origin);
  const called = name.trim().slice(0, MAX_NAME) || new URL(origin).host;
  return byName([...known.filter((one) => one !== before), { ...before, name: called, origin }]);
}

export const withoutDaemon = (known: Daemons, origin: string): Daemons => known.filter((one) => one.origin !== origin);

export const openedDaemon = (known: Daemons, origin: string, at: string): Daemons =>
  known.map((one) => (one.origin === origin ? { ...one, openedAt: at } : one));

const byName = (daemons: Daemons): Daemons => daemons.toSorted((a, b) => a.name.localeCompare(b.name));
