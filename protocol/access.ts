/** The scopes of credentials. */
import * as z from 'zod';

/**
 * `read`: see all data of the person, and receive pushes. `prompt`: open sessions, prompt and steer them. `approve`:
 * answer permission requests, and decide what need not be asked. `files`, `terminal`: as named. `admin`: other devices,
 * metrics of the daemon, and modes that ask no questions.
 */
export const SCOPES = ['read', 'prompt', 'approve', 'files', 'terminal', 'admin'] as const;
export const scopeSchema = z.enum(SCOPES, { error: `must be one of ${SCOPES.join(', ')}` });
export type Scope = z.infer<typeof scopeSchema>;

/** `credential`: any valid one. */
export type Need = Scope | 'credential';
