/**
 * Preloaded into a daemon: a password costs a thousandth of what it does in service, where each hash takes 0.17 s of a
 * processor. Its check costs the same, since a hash says what it cost. `tests/identity/comparison.test.ts` tests the
 * cost in service.
 */
if (process.argv[1]?.endsWith('dist/server/main.js')) {
  const argon2 = require('@node-rs/argon2');
  const { hash } = argon2;
  argon2.hash = (password) => hash(password, { memoryCost: 64, timeCost: 1, parallelism: 1 });
}
