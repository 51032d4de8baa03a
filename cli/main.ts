#!/usr/bin/env node
import { isLinked } from '../config/command-hints.js';
import { runCli } from './run-cli.js';
import { processIo } from './terminal-io.js';

// The reader of the output has closed it, as with `… | head`. A closed terminal sends a signal instead.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code !== 'EIO') process.exit(0);
});
// A closed terminal can neither show the error nor ask.
for (const stream of [process.stderr, process.stdin]) stream.on('error', () => undefined);

process.exitCode = await runCli({ args: process.argv.slice(2), io: processIo(), linked: isLinked() });
