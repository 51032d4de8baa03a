import { fullMoment } from './format.js';

/** A time of the daemon, in the zone of the browser. */
export function Moment({ at }: { at: string }) {
  return <time dateTime={at}>{fullMoment(at)}</time>;
}
