/**
 * Run by the orphan watch when no daemon has come back: `reap-orphans.js <run folder> <watch file> <token>
 * <milliseconds without a daemon> <ORPHAN_WAIT_MS>`. Exits with 0 when no child needs another check.
 */
import { reapOrphans } from '../services/claude/process/reap-orphans.js';

const SOME_LEFT = 3;

const [runFolder = '', watchFile = '', token = '', absentMs, waitMs] = process.argv.slice(2);
const endWaiting = Number(absentMs) >= Number(waitMs);
const left = await reapOrphans({ runFolder, watchFile, token, endWaiting });
process.exitCode = left > 0 ? SOME_LEFT : 0;
