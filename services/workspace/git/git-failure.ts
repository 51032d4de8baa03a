/** What failures of git mean for a client. Its words are not passed on: they can hold addresses with credentials. */
import { CompanionError, type ErrorCode } from '../../../protocol/error-codes.js';
import { isScarcity, toCapacityError } from '../../../protocol/failures.js';
import { codeOf } from '../file-errors.js';

interface Meaning {
  when: RegExp;
  code: ErrorCode;
  rule: string;
  suggestion?: string;
}

const NO_GIT: Omit<Meaning, 'when'> = {
  code: 'CONFLICT',
  rule: 'must be on a machine that has git',
  suggestion: 'Install git on the machine of the daemon.',
};

/** The first that fits counts. The words are those of the locale C. */
const MEANINGS: readonly Meaning[] = [
  { when: /xcode-select|xcrun: error/, ...NO_GIT },
  {
    when: /No space left on device|Disk quota exceeded|Read-only file system|File too large/i,
    code: 'STORAGE_FULL',
    rule: 'is to be on a disk that takes nothing now',
    suggestion: 'Free some space on the disk of the project, then try again.',
  },
  {
    when: /Host key verification failed/,
    code: 'PERMISSION_DENIED',
    rule: 'must be at a host whose key the machine of the daemon knows',
    suggestion: 'Connect to the host with ssh once, in a terminal on that machine.',
  },
  {
    when: /Authentication failed|could not read (?:Username|Password)|terminal prompts disabled|Permission denied|returned error: 40[13]|Access denied/i,
    code: 'PERMISSION_DENIED',
    rule: 'must be readable with the credentials that git has on the machine of the daemon, or is not there',
    suggestion: 'Check the address, and that git can clone it there without asking.',
  },
  {
    when: /Could not resolve|Name or service not known|name resolution|nodename nor servname/i,
    code: 'NOT_FOUND',
    rule: 'must be at a host that is known',
  },
  {
    when: /Connection refused|Failed to connect|Could ?n['o]t connect|timed out|unreachable|No route to host|Operation too slow/i,
    code: 'CONFLICT',
    rule: 'must be at a host that answers now',
  },
  { when: /certificate|SSL|TLS/, code: 'CONFLICT', rule: 'must be at a host with a certificate that is trusted' },
  { when: /cannot run ssh|ssh: not found/, code: 'CONFLICT', rule: 'must be on a machine that has ssh' },
  {
    when: /transport '.*' not allowed|protocol .* not supported/i,
    code: 'INVALID_REQUEST',
    rule: 'must not lead to another kind of address',
  },
  {
    when: /not found|does not exist|does not appear to be a git repository|not a git repository|returned error: 4(?:04|10)|not valid: is this a git repository|Could not read from remote repository/i,
    code: 'NOT_FOUND',
    rule: 'must be a repository that exists, and that the machine of the daemon may read',
  },
  {
    when: /early EOF|hung up|RPC failed|Connection (?:reset|closed)|unexpected disconnect|Empty reply/i,
    code: 'CONFLICT',
    rule: 'must be at a host that sends all of it; the connection broke off',
  },
];

/** The error for a client, from what git has complained of. */
export function gitFailure(complaint: string, field: string): CompanionError {
  const found = MEANINGS.find(({ when }) => when.test(complaint));
  return refusedBy(found ?? { code: 'CONFLICT', rule: 'must be a repository that git can clone' }, field);
}

/** Where git could not be started. */
export function startFailure(error: unknown, field: string): unknown {
  if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EACCES') return refusedBy(NO_GIT, field);
  return isScarcity(error) ? toCapacityError('git cannot be started', error) : error;
}

const refusedBy = ({ code, rule, suggestion }: Omit<Meaning, 'when'>, field: string): CompanionError =>
  new CompanionError(code, `${field}: ${rule}`, { field, rule, ...(suggestion !== undefined && { suggestion }) });
