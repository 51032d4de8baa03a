#!/usr/bin/env node
import { runCli } from './run-cli.js';
import { processIo } from './terminal-io.js';

process.exitCode = await runCli({ args: process.argv.slice(2), io: processIo() });
