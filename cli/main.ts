#!/usr/bin/env node
import { isLinked } from '../config/command-hints.js';
import { runCli } from './run-cli.js';
import { processIo } from './terminal-io.js';

// The reader of our output has what it wanted, as with `… | head`. A terminal that was closed tells by a signal.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code !== 'EIO') process.exit(0);
});
// A terminal that is gone can neither be told of it nor asked.
for (const stream of [process.stderr, process.stdin]) stream.on('error', () => undefined);

process.exitCode = await runCli({ args: process.argv.slice(2), io: processIo(), linked: isLinked() });
