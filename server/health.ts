import { statfs } from 'node:fs/promises';
import { freemem } from 'node:os';
import type { Health } from '../protocol/rest.js';
import type { CliStatus } from '../services/claude/cli-status.js';
import type { Journal } from '../services/ports/journal.js';
import type { SessionRegistry } from '../services/sessions/session-registry.js';

export interface HealthOptions {
  version: string;
  home: string;
  status: CliStatus;
  journal: Journal;
  registry: SessionRegistry;
}

const MIN_MEMORY_BYTES = 300 * 1024 * 1024;
const MIN_DISK_BYTES = 1024 * 1024 * 1024;

interface Check {
  verdict: string;
  remedy?: string;
  fatal?: boolean;
}

const OK: Check = { verdict: 'ok' };

/** How the daemon does, and what to do where it does not do well. */
export async function readHealth({ version, home, status, journal, registry }: HealthOptions): Promise<Health> {
  const checks = {
    database: await checkDatabase(journal),
    claude: checkClaude(status),
    memory: checkMemory(),
    disk: await checkDisk(home),
    push: { verdict: 'off' } satisfies Check as Check,
  };
  const all = Object.values(checks);
  const remedies = all.flatMap(({ remedy }) => remedy ?? []);
  const worst = all.some(({ fatal }) => fatal) ? 'unhealthy' : remedies.length > 0 ? 'degraded' : 'healthy';
  const sessions = registry.all();
  const verdicts = Object.fromEntries(Object.entries(checks).map(([name, { verdict }]) => [name, verdict]));
  return {
    status: worst,
    ok: worst === 'healthy',
    version,
    timestamp: new Date().toISOString(),
    uptime_seconds: Math.round(process.uptime()),
    claudeCodeAvailable: status.problem === undefined,
    active_sessions: sessions.filter(({ pid }) => pid !== undefined).length,
    checks: verdicts as Health['checks'],
    ...(remedies.length > 0 && { remedies }),
  };
}

async function checkDatabase(journal: Journal): Promise<Check> {
  try {
    await journal.probe();
    return OK;
  } catch (error) {
    return { verdict: 'failed', remedy: (error as Error).message, fatal: true };
  }
}

function checkClaude({ problem }: CliStatus): Check {
  if (!problem) return OK;
  return { verdict: problem.code === 'CLAUDE_UNAVAILABLE' ? 'missing' : 'not logged in', remedy: problem.remedy };
}

function checkMemory(): Check {
  if (freemem() >= MIN_MEMORY_BYTES) return OK;
  return { verdict: 'low', remedy: 'Less than 300 MB of memory are free: close sessions or programs.' };
}

async function checkDisk(home: string): Promise<Check> {
  const { bavail, bsize } = await statfs(home);
  if (bavail * bsize >= MIN_DISK_BYTES) return OK;
  return { verdict: 'low', remedy: 'Less than 1 GiB is free on the disk of the companion home folder.' };
}
