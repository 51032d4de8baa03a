/** The headers by which the API tells the limits of a subscription. The CLI reads them with the token of one. */
import type { Step } from './scripted-api.js';

/** In the daemon's environment: its CLI has the token of a subscription, and no key. */
export const SUBSCRIBED = { ANTHROPIC_API_KEY: '', CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-test-test-test' };

export const HOUR_S = 3600;

/** Whole epoch seconds, as the API has them. */
export const inHours = (hours: number): number => Math.floor(Date.now() / 1000) + hours * HOUR_S;

export const iso = (seconds: number): string => new Date(seconds * 1000).toISOString();

interface Limits {
  status: 'allowed' | 'allowed_warning' | 'rejected';
  /** Of the five hours, from 0 to 1. */
  used: number;
  /** Epoch seconds. */
  reset: number;
}

/** Of an answer to an account of which this much is used. */
export function limitHeaders({ status, used, reset }: Limits): Record<string, string> {
  const fields = {
    status,
    reset: String(reset),
    'representative-claim': 'five_hour',
    '5h-status': status === 'rejected' ? 'rejected' : 'allowed',
    '5h-reset': String(reset),
    '5h-utilization': String(used),
    ...(status === 'allowed_warning' && { '5h-surpassed-threshold': '0.9' }),
    '7d-status': 'allowed',
    '7d-reset': String(reset + 24 * HOUR_S),
    '7d-utilization': '0.123',
    'overage-status': 'rejected',
    'overage-disabled-reason': 'overage_not_provisioned',
  };
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [`anthropic-ratelimit-unified-${name}`, value]),
  );
}

/** A step that the API refuses, always or so many times, since the limit is reached. */
export const refusal = ({ reset, times }: { reset: number; times?: number }): Step => ({
  error: {
    status: 429,
    type: 'rate_limit_error',
    headers: limitHeaders({ status: 'rejected', used: 1, reset }),
    ...(times !== undefined && { times }),
  },
});
