/** The capabilities in `welcome`, each with its meaning: what a client can rely on. */
export const CAPABILITIES = {
  replay: 'missed events are replayed from a durable cursor',
  steer: '`streamSend` takes `mode: "steer"`',
  attachments: 'prompts take images',
  permissions: 'permission requests of tools are sent and answered',
  questions: 'questions of Claude are sent and answered',
  plans: 'plans are sent and approved',
  elicitations: 'what MCP servers ask the person is sent and answered',
  resume: '`streamStart` takes `options.resume`',
  fork: '`streamStart` takes `options.fork`',
  queue: 'the queue is shown, and changed by `editPrompt`, `movePrompt`, `clearQueue` and `continueQueue`',
  rewind: 'the frame `rewind` is served',
  turnDiff: 'a turn that changed files is followed by `turnDiff`',
  ask: 'the frame `ask` is served',
  sessionCapabilities: '`sessionCapabilities` says which commands, agents, models and output styles a session has',
  suggestFiles: '`suggestFiles` completes paths',
  labels:
    '`PATCH /api/sessions/:id` takes `tag` and `archived`, lists are filtered by them, and what is given at a desk is told',
  setEffort: '`setEffort` chooses how much Claude thinks and does',
  setThinking: '`setThinking` bounds the thinking of models with a budget',
  addDirectory: '`addDirectory` lets Claude work in another directory too',
  promptSuggestion:
    'after a turn, the frame `promptSuggestion` proposes the next prompt to those who name it in `subscribe`',
  sideQuestion: '`sideQuestion` asks Claude beside the conversation',
  contextUsage: '`contextUsage` says what fills the context window',
  usageLimits: 'usage limits are told, with `GET /api/usage/limits`, and sessions take `autoContinue`',
  budgets: '`/api/budgets` bounds what turns use, and `budget` tells of it',
  tasks: '`tasks` lists what runs beside the turns; `stopTask` and `backgroundTask` are served',
  taskOutput: '`getTaskOutput` is served',
  permissionRules: '`GET /api/sessions/:id` shows the rules that are in effect (`permissions.rules`)',
} as const;

type Capability = keyof typeof CAPABILITIES;

/**
 * The only table of what supported versions of the CLI lack, by capability: the control request that it needs, and the
 * first version that knows it (by the typings of that version).
 */
export const CLI_NEEDS: { readonly [C in Capability]?: { request: string; since: string } } = {
  taskOutput: { request: 'get_task_output', since: '2.1.287' },
  permissionRules: { request: 'list_permission_rules', since: '2.1.269' },
};

/** The capabilities with this version of the CLI; all of them while it is unknown. */
export const capabilitiesWith = (cliVersion: string | undefined): string[] =>
  (Object.keys(CAPABILITIES) as Capability[]).filter((name) => !isOlder(cliVersion, CLI_NEEDS[name]?.since));

/** The first version of the CLI that knows a control request; undefined where all supported ones do. */
export const firstVersionWith = (request: string): string | undefined =>
  Object.values(CLI_NEEDS).find((need) => need.request === request)?.since;

function isOlder(version = '', needed = '0'): boolean {
  if (!/^\d+(\.\d+)*/.test(version)) return false;
  return version.localeCompare(needed, 'en', { numeric: true }) < 0;
}
