import { readFileSync } from 'node:fs';

const MINUTE_MS = 60_000;

const { FAULTS, FAULTS_SHARD, TESTS_ONCE } = process.env;
const isFull = FAULTS === 'full';
const isWhole = isFull && FAULTS_SHARD === undefined;
/** A test of the full random runs may take an hour, one of a shard ten minutes. */
const testTimeout = (isWhole ? 60 : isFull ? 10 : 1) * MINUTE_MS;
/**
 * The tests of failures, and those that swap something before each step of a file's access or of a start, take as long
 * as all others together. `npm test` has one of them, unless it is told others.
 */
const LONG = [
  '<rootDir>/tests/faults/(?!kill-daemon)',
  '<rootDir>/tests/workspace/(file-races|hostile-paths)',
  '<rootDir>/tests/edge/start-order',
];
/** With TESTS_ONCE=1, `test:faults` leaves out what `npm test` has as well, with smaller counts. */
const { scripts } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const IN_BOTH = scripts['test:faults']
  .split(' ')
  .filter((word) => word.startsWith('tests/') && !/faults|file-races|hostile-paths|start-order/.test(word))
  .concat('tests/faults/kill-daemon')
  .map((path) => `<rootDir>/${path}`);
const isTold = process.argv.slice(2).some((argument) => /faults|workspace|races|hostile|edge|order/.test(argument));
const inFaults = TESTS_ONCE === '1' ? IN_BOTH : [];
const testPathIgnorePatterns = isFull ? inFaults : isTold ? [] : LONG;

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/tests/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  resolver: '<rootDir>/scripts/jest-resolver.cjs',
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  testTimeout,
  testPathIgnorePatterns,
  // Starts of CLIs keep both processors busy: a third worker makes each start dearer, and the whole slower (146 s for
  // 128 s, of eleven files of conversations on two processors).
  maxWorkers: isWhole ? 1 : 2,
};
