/** What a credential may be good for. */
import * as z from 'zod';

/**
 * `read`: see everything of the person, and be pushed to. `prompt`: open sessions, prompt and steer them. `approve`:
 * answer what waits for a person, and say what need not be asked. `files`, `terminal`: those. `admin`: other devices,
 * figures of the daemon, and modes that ask no questions.
 */
export const SCOPES = ['read', 'prompt', 'approve', 'files', 'terminal', 'admin'] as const;
export const scopeSchema = z.enum(SCOPES, { error: `must be one of ${SCOPES.join(', ')}` });
export type Scope = z.infer<typeof scopeSchema>;

/** `credential`: any valid one. */
export type Need = Scope | 'credential';
