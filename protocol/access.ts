/** The scopes of credentials. */
import * as z from 'zod';

export const SCOPES = ['read', 'prompt', 'approve', 'files', 'terminal', 'admin'] as const;
export const scopeSchema = z.enum(SCOPES, { error: `must be one of ${SCOPES.join(', ')}` });
export type Scope = z.infer<typeof scopeSchema>;

/** For documents: what a credential with the scope may do. */
export const SCOPE_MEANINGS: Record<Scope, string> = {
  read: 'see everything that belongs to the person, and receive pushes',
  prompt: 'open sessions, prompt and steer them',
  approve:
    'answer requests, put files and conversations back (`rewind`), clone repositories and add working trees, and set what needs no question: `allowedTools`, the modes `acceptEdits` and `auto`; set budgets',
  files:
    'read, list, write and remove files of sessions; files that programs obey by themselves need `approve` as well',
  terminal: 'nothing yet',
  admin:
    'add keys, revoke other devices and keys, `/metrics` and `/api/telemetry`, the usage and the budgets of all people, and, if the owner has set `ALLOW_BYPASS=true`, the mode `bypassPermissions`',
};

/** `credential`: any valid one. */
export type Need = Scope | 'credential';
