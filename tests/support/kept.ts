import type { ValidateFunction } from 'ajv/dist/2020.js';

/**
 * What jest would load anew for each file of a worker: `require` outside of its modules has one of each. Nothing that a
 * test changes may be kept.
 */
export const requireKept = process.getBuiltinModule('node:module').createRequire(import.meta.url);

/** By their names, of all files that this worker has run. */
export const { validators } = requireKept('./kept-values.cjs') as { validators: Map<string, ValidateFunction> };
