import { plainLine } from '../protocol/plain-text.js';
import type { AccountView, UsageLimits } from '../protocol/usage.js';

const CELLS = 20;
const MAX_NAME = 40;

/** Who pays, for a person. */
export function accountInWords({ kind, plan, provider }: AccountView): string {
  switch (kind) {
    case 'subscription':
      return plan === undefined ? 'subscription' : `subscription (${plainLine(plan, MAX_NAME)})`;
    case 'apiKey':
      return 'API key';
    case 'cloud':
      return `cloud provider${provider === undefined ? '' : ` (${plainLine(provider, MAX_NAME)})`}`;
    case 'gateway':
      return 'gateway';
  }
}

/** A line for each known window: its name, how much of it is used, and when it resets. */
export function usageMeter({ status, window, windows, resetsAt }: UsageLimits): string[] {
  const width = Math.max(0, ...windows.map((one) => nameOf(one.window).length));
  const lines = windows.map((one) => {
    const isFull = status === 'rejected' && one.window === window;
    return `  ${nameOf(one.window).padEnd(width)}  ${shareOf(one.utilization, isFull)}${until(one.resetsAt)}`;
  });
  if (status === 'rejected' && window === undefined) lines.push(`  The API takes no more for now${until(resetsAt)}`);
  return lines;
}

const nameOf = (window: string): string => plainLine(window, MAX_NAME).replaceAll('_', ' ');

function shareOf(utilization: number | undefined, isFull: boolean): string {
  if (utilization === undefined) return isFull ? 'used up' : 'not used up';
  const filled = Math.round(Math.min(1, utilization) * CELLS);
  const percent = `${Math.round(utilization * 100)} %`;
  return `${'█'.repeat(filled)}${'░'.repeat(CELLS - filled)} ${percent.padStart(5)}${isFull ? ', used up' : ''}`;
}

const until = (resetsAt: string | undefined): string =>
  resetsAt === undefined ? '' : `, resets ${new Date(resetsAt).toLocaleString('sv')}`;
