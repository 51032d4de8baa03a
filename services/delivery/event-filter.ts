/** The frame types that a device wants: all, or named ones. */
export interface EventFilter {
  wants(type: string): boolean;
  /** Whether the type was requested by name. */
  names(type: string): boolean;
}

const ALL: EventFilter = { wants: () => true, names: () => false };
const NONE: EventFilter = { wants: () => false, names: () => false };

export function createEventFilter(events: readonly string[]): EventFilter {
  if (events.length === 0) return NONE;
  if (events.length === 1 && events[0] === '*') return ALL;
  const named = new Set(events);
  const all = named.has('*');
  return { wants: (type) => all || named.has(type), names: (type) => named.has(type) };
}
