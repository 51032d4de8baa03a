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
  testTimeout: process.env.FAULTS === 'full' ? 3_600_000 : 60_000,
  // More than processors: with two, half of their time passes in waiting for CLIs, timers and disks.
  maxWorkers: 3,
};
