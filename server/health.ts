import { accessSync, constants, statSync } from 'node:fs';
import type { Health } from '../protocol/rest.js';
import type { CliStatus } from '../services/claude/cli/cli-status.js';
import type { MachineRoom, Shortage } from '../services/machine/machine-room.js';
import type { Journal } from '../services/ports/journal.js';
import type { PushService } from '../services/push/push-service.js';
import type { SessionRegistry } from '../services/sessions/session-registry.js';
import type { TlsFiles } from './tls-files.js';

export interface HealthOptions {
  version: string;
  room: MachineRoom;
  status: CliStatus;
  journal: Journal;
  registry: SessionRegistry;
  push: PushService;
  /** Where the daemon terminates TLS itself. */
  tls: TlsFiles | undefined;
  /** `PROJECT_ROOTS`. */
  roots: readonly string[];
  /** Why `bypassPermissions` is unavailable although the owner allows it. */
  withoutEffect: string | undefined;
}

interface Check {
  verdict: string;
  remedy?: string;
  fatal?: boolean;
}

const OK: Check = { verdict: 'ok' };

/** The daemon's health, with a remedy for each problem. */
export async function readHealth(options: HealthOptions): Promise<Health> {
  const { version, room, status, journal, registry, push, tls, roots, withoutEffect } = options;
  const shortages = await room.shortages();
  const checks = {
    database: await checkDatabase(journal),
    claude: checkClaude(status, withoutEffect),
    memory: checkRoom(shortages, 'memory'),
    disk: checkRoom(shortages, 'disk'),
    push: push.health as Check,
    ...(tls && { tls: checkTls(tls) }),
    roots: checkRoots(roots),
  };
  const all = Object.values(checks);
  const remedies = Object.entries(checks).flatMap(([name, { remedy }]) =>
    remedy === undefined ? [] : [[name, remedy]],
  );
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
    ...(remedies.length > 0 && { remedies: Object.fromEntries(remedies) }),
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

function checkClaude({ problem }: CliStatus, bypass: string | undefined): Check {
  if (!problem)
    return bypass === undefined ? OK : { verdict: 'bypass refused', remedy: `ALLOW_BYPASS has no effect: ${bypass}` };
  const verdict = problem.code === 'CLAUDE_UNAVAILABLE' ? 'missing' : 'not logged in';
  return { verdict, remedy: `${problem.message} ${problem.remedy}` };
}

/** A root may be on a disk that is mounted later, so it does not prevent the start. */
function checkRoots(roots: readonly string[]): Check {
  const unusable = roots.filter((root) => !isUsable(root));
  if (unusable.length === 0) return OK;
  const remedy = `Create ${unusable.length === 1 ? 'it' : 'them'}, or correct PROJECT_ROOTS.`;
  return {
    verdict: 'missing',
    remedy: `PROJECT_ROOTS names a folder that does not exist or cannot be opened: ${unusable.join(', ')}. ${remedy}`,
  };
}

function isUsable(root: string): boolean {
  try {
    accessSync(root, constants.R_OK | constants.X_OK);
    return statSync(root).isDirectory();
  } catch {
    // Missing or inaccessible: both mean the same here.
    return false;
  }
}

function checkTls(tls: TlsFiles): Check {
  const problem = tls.problemAt(Date.now());
  return problem ? { verdict: problem.verdict, remedy: `${problem.message}. ${problem.remedy}` } : OK;
}

function checkRoom(shortages: Shortage[], of: Shortage['of']): Check {
  const short = shortages.find((one) => one.of === of);
  return short ? { verdict: 'low', remedy: `${short.what} ${short.remedy}` } : OK;
}
