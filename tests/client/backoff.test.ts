import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { afterConnection, backoffDelay } from '../../client/after-connection.js';

const backoff = { minMs: 250, maxMs: 30_000 };
const almostOne = 0.999_999;

describe('the delay before the next try', () => {
  test('doubles its bound with each attempt, up to the greatest', () => {
    const bounds = [1, 2, 3, 7, 8, 100].map((attempt) =>
      backoffDelay({ attempt, ...backoff, random: () => almostOne }),
    );
    expect(bounds).toEqual([249, 499, 999, 15_999, 29_999, 29_999]);
  });

  test('can be anything from nothing up to its bound', () => {
    const attempt = fc.integer({ min: 1, max: 10_000 });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(attempt, random, (nth, drawn) => {
        const delay = backoffDelay({ attempt: nth, ...backoff, random: () => drawn });
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThan(backoff.maxMs);
      }),
    );
  });
});

describe('what follows the end of a connection', () => {
  const next = (code: number, facts: { attempt?: number; openMs?: number; httpStatus?: number } = {}) => {
    const { attempt = 0, openMs = 60_000, httpStatus } = facts;
    const end = { code, reason: '', ...(httpStatus !== undefined && { httpStatus }) };
    return afterConnection({ end, attempt, openMs, backoff, random: () => almostOne });
  };

  test.each([1001, 1012])('close code %d is followed by a try at once', (code) => {
    expect(next(code)).toEqual({ kind: 'retry', attempt: 1, delayMs: 0 });
  });

  test('a daemon that says again and again that it restarts is not met with a busy loop', () => {
    expect(next(1012, { attempt: 3, openMs: 10 })).toEqual({ kind: 'retry', attempt: 4, delayMs: 1999 });
  });

  test('a connection that held resets the count', () => {
    expect(next(1006, { attempt: 9 })).toEqual({ kind: 'retry', attempt: 1, delayMs: 249 });
    expect(next(1006, { attempt: 9, openMs: 10 })).toMatchObject({ attempt: 10 });
  });

  test.each([
    [4409, {}, 'replaced'],
    [1008, {}, 'revoked'],
    [1006, { httpStatus: 401 }, 'unauthorized'],
    [1006, { httpStatus: 403 }, 'forbidden'],
  ])('close code %d with %j is no reason to try again', (code, facts, reason) => {
    expect(next(code, facts)).toMatchObject({ kind: 'stop', error: { reason } });
  });

  test.each([
    [1008, {}, 'revoked'],
    [1006, { httpStatus: 401 }, 'unauthorized'],
  ])(
    'close code %d with %j is followed by a renewal of the token at once, where there is one',
    (code, facts, reason) => {
      const end = { code, reason: '', ...facts };
      const follows = (isFresh: boolean, openMs: number) =>
        afterConnection({ end, attempt: 3, openMs, backoff, renewal: { isFresh, untold: 0 } });
      const doubt = { isCertain: true, error: { reason } };
      expect(follows(false, 0)).toMatchObject({ kind: 'retry', attempt: 4, delayMs: 0, doubt });
      expect(follows(true, 4_999)).toMatchObject({ kind: 'stop', error: { reason } });
      expect(follows(true, 5_000)).toMatchObject({ kind: 'retry', attempt: 1, delayMs: 0, doubt });
    },
  );

  test('of the tries that never opened every third makes the token doubtful', () => {
    const end = { code: 1006, reason: '' };
    const follows = (untold: number) =>
      afterConnection({ end, attempt: untold, openMs: 0, backoff, renewal: { isFresh: false, untold } });
    const doubtful = [0, 1, 2, 3, 4, 5, 6].filter((untold) => 'doubt' in follows(untold));
    expect(doubtful).toEqual([3, 6]);
    expect(follows(3)).toMatchObject({ doubt: { isCertain: false, error: { reason: 'unauthorized' } } });
  });

  test.each([1006, 1009, 1011, 1013, 4408, 4413, 4429, 4999])('close code %d is followed by another try', (code) => {
    expect(next(code)).toMatchObject({ kind: 'retry' });
  });
});
