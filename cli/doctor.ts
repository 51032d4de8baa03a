import { ConfigError, loadConfig } from '../config/load-config.js';
import { VERSION } from '../config/version.js';
import { plainLine, plainText } from '../protocol/plain-text.js';
import { healthSchema } from '../protocol/rest.js';
import { infoSchema } from '../protocol/usage.js';
import { NoDaemonError, startAdvice } from './cli-errors.js';
import type { CommandContext, Report } from './commands.js';
import { askDaemon, findAnswer } from './local-daemon.js';
import { accountInWords } from './usage-meter.js';

/** The result of one check. */
interface Finding {
  name: string;
  ok: boolean;
  verdict: string;
  remedy?: string;
}

/**
 * Checks the settings, the daemon and everything that the daemon checks itself, and suggests a remedy for each problem.
 * Needs no daemon. The exit code is 1 when there is a problem.
 */
export async function doctorCommand(context: CommandContext): Promise<Report> {
  const findings = [findSettings(context.home), ...(await findDaemon(context))];
  const ok = findings.every((finding) => finding.ok);
  return { json: { ok, checks: findings }, text: findings.map(lineOf).join('\n'), exitCode: ok ? 0 : 1 };
}

const well = (name: string, verdict = 'ok'): Finding => ({ name, ok: true, verdict });
const unwell = (name: string, verdict: string, remedy: string): Finding => ({ name, ok: false, verdict, remedy });

function findSettings(home: string): Finding {
  try {
    loadConfig(home);
    return well('settings');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return unwell('settings', 'wrong', `${error.message}. The next start would be refused.`);
  }
}

async function findDaemon({ home, socketPath, hints }: CommandContext): Promise<Finding[]> {
  let answer: unknown;
  try {
    answer = await askDaemon({ socketPath, method: 'GET', path: '/health' });
  } catch (error) {
    if (!(error instanceof NoDaemonError)) throw error;
    return [unwell('daemon', 'not running', startAdvice(home, hints))];
  }
  const { version, checks, remedies = {} } = healthSchema.parse(answer);
  const daemon =
    version === VERSION
      ? well('daemon', `running, version ${version}`)
      : unwell('daemon', `running, version ${version}`, `Start it again: version ${VERSION} is installed.`);
  const others = Object.entries(checks).map(([name, verdict = 'not checked']) => {
    const remedy = remedies[name];
    return remedy === undefined ? well(name, verdict) : unwell(name, verdict, remedy);
  });
  return [daemon, ...others, await findAccount(socketPath)];
}

/** No problem in any case: a missing login is found by the check of the CLI. */
async function findAccount(socketPath: string): Promise<Finding> {
  const info = await findAnswer({ socketPath, path: '/api/info' }, infoSchema);
  return well('account', info?.account ? accountInWords(info.account) : 'not known until a session has run');
}

const lineOf = ({ name, ok, verdict, remedy }: Finding): string =>
  `${ok ? 'ok ' : '!! '} ${plainLine(name, 20)}: ${plainLine(verdict, 200)}${remedy === undefined ? '' : `\n      ${plainText(remedy)}`}`;
