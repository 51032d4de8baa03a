#!/usr/bin/env node
import { runCli } from './run-cli.js';
import { processIo } from './terminal-io.js';

// Whoever reads our output has what it wanted, as with `… | head`.
process.stdout.on('error', () => process.exit(0));

process.exitCode = await runCli({ args: process.argv.slice(2), io: processIo() });
