/** The durable events: the schema of each one's `data`. Clients parse with these; the daemon uses their types. */
import * as z from 'zod';
import { budgetOfSchema, budgetPeriodSchema } from './budgets.js';
import { contentBlockSchema, usageSchema } from './content.js';
import { errorCodeSchema, errorDetailsSchema } from './error-codes.js';
import { sessionStatusSchema, timestampSchema } from './scalars.js';

const id = z.string().min(1);

/** The grant that "always" remembers, or would remember. */
export const rememberSchema = z.object({
  text: z.string().describe('For a person: what Claude does without asking from then on, and for how long.'),
  rules: z.array(z.string()).describe("In the CLI's notation: `Bash(npm run *)`."),
  directories: z
    .array(z.string())
    .optional()
    .describe('Absolute paths of additional directories in which Claude works as in its own.'),
  mode: z.string().optional().describe('The permission mode that the session switches to.'),
  scope: z.string().describe('How long it lasts. `session`: until it is revoked or a new conversation begins.'),
});
export type Remember = z.infer<typeof rememberSchema>;

export const rememberedSchema = rememberSchema.extend({
  id,
  rememberedAt: timestampSchema,
  toolName: z.string().optional(),
  byDeviceId: z.string().optional(),
});

const limitStatusSchema = z.enum(['allowed', 'warning', 'rejected']);

/** Usage beyond the plan, which is paid for separately. */
const limitOverageSchema = z.object({
  inUse: z.boolean().describe('Requests are being paid for separately.'),
  status: limitStatusSchema.optional(),
  resetsAt: timestampSchema.optional(),
  reason: z.string().optional().describe('Why it is not available, as a word of the CLI: `out_of_credits` …'),
});
/** A prompt that waits, as every device sees it. */
const queuedPromptSchema = z.object({
  promptId: id,
  text: z.string().describe('Its first 200 UTF-16 units.'),
  mode: z.string().describe("`queue`; `steer` where no turn could be steered; `resume`: the daemon's own, goes first."),
  deviceId: z.string().describe('The device that sent it.'),
});
export type QueuedPrompt = z.infer<typeof queuedPromptSchema>;

/** Lines changed in a file. */
const fileChangeSchema = z.object({
  path: z.string().describe("Relative to the session's directory, or absolute when it is not below that."),
  additions: z.int(),
  deletions: z.int(),
});

const changedFileSchema = fileChangeSchema.extend({
  omitted: z
    .enum(['binary', 'large', 'unknown'])
    .optional()
    .describe('Why its lines are not compared. `unknown`: what it was before is not known.'),
});

/** What a rewind has done, or would do. */
const rewoundSchema = z.object({
  sessionId: id,
  promptId: id.describe('The prompt before which files or conversation are again.'),
  what: z.enum(['files', 'conversation', 'both']),
  canRewind: z.boolean(),
  reason: z.string().optional().describe('Why it cannot be done, or what was left out.'),
  filesChanged: z.array(z.string()).describe('Absolute paths of the files restored or removed, at most 1,000.'),
  insertions: z.int().describe('Lines that were added to them.'),
  deletions: z.int().describe('Lines that were removed from them.'),
  dryRun: z.boolean().optional().describe('Nothing was changed.'),
  byDeviceId: z.string().optional(),
  truncated: z.boolean().optional(),
});
export type Rewound = z.infer<typeof rewoundSchema>;

export const EVENTS = {
  humanMessage: z.object({
    messageId: id,
    content: z.array(contentBlockSchema),
    deviceId: z.string(),
    promptId: id,
    truncated: z.boolean().optional(),
  }),
  systemInit: z.object({
    type: z.literal('system'),
    sessionId: id,
    workingDirectory: z.string(),
    availableTools: z.array(z.string()),
    mcpServers: z.array(z.string()),
    model: z.string(),
    permissionMode: z.string(),
    claudeSessionId: z.string(),
    timestamp: timestampSchema,
  }),
  assistantMessage: z.object({
    type: z.literal('assistant'),
    messageId: id,
    blockIndex: z.int().nonnegative(),
    content: z.array(contentBlockSchema).length(1).describe('The block that this event finishes.'),
    model: z.string().optional(),
    usage: usageSchema.optional(),
    parentToolUseId: z.string().optional(),
    partial: z.boolean().optional().describe('The block was ended early; it contains what came so far.'),
    truncated: z.boolean().optional(),
    timestamp: timestampSchema,
  }),
  toolUse: z.object({
    type: z.literal('tool_use'),
    toolName: z.string(),
    toolInput: z.unknown(),
    toolId: id,
    parentToolUseId: z.string().optional(),
    truncated: z.boolean().optional(),
    timestamp: timestampSchema,
  }),
  toolResult: z.object({
    type: z.literal('tool_result'),
    toolName: z.string(),
    toolId: id,
    result: z.string().optional().describe('On success. Names images and other parts that are not text.'),
    success: z.boolean(),
    error: z.string().optional().describe('On failure.'),
    change: fileChangeSchema
      .extend({
        patch: z.string().describe('The hunks of a unified diff.'),
        isNew: z.boolean().optional().describe('The tool created the file.'),
      })
      .optional()
      .describe('What `Edit` or `Write` has changed.'),
    truncated: z.boolean().optional(),
    parentToolUseId: z.string().optional(),
    timestamp: timestampSchema,
  }),
  permissionRequest: z.object({
    permissionId: id,
    sessionId: id,
    kind: z
      .enum(['tool', 'question', 'plan', 'elicitation', 'dialog'])
      .describe('New kinds can be added: each can be shown by its `prompt` and denied.'),
    toolName: z.string(),
    toolId: z
      .string()
      .optional()
      .describe("The API's id of the tool call: the `toolId` of its `toolUse`. Not unique everywhere."),
    toolInput: z
      .unknown()
      .describe('Of a plan with its text in `plan`; of an elicitation or a dialog what is asked, see below.'),
    prompt: z.string().describe('One line to show.'),
    options: z
      .array(z.string())
      .describe(
        '`allow`, `deny`, with `remember` also `always`; of a plan also `acceptEdits`, which lets Claude edit files without asking from then on; of a question the labels of the first; of a dialog its choices and `deny`.',
      ),
    default: z.string().describe('`deny`; of a question its first label, unless the CLI defaults to no.'),
    defaultOption: z.string().describe('The same.'),
    suggestions: z
      .array(z.unknown())
      .optional()
      .describe("The CLI's permission updates; `remember` says which of them `always` applies."),
    remember: rememberSchema
      .optional()
      .describe(
        'The grant that `always` remembers, to be shown before the answer; absent when `always` is not among the options.',
      ),
    questions: z
      .array(
        z.object({
          question: z.string(),
          header: z.string(),
          multiSelect: z.boolean(),
          options: z.array(z.object({ label: z.string(), description: z.string(), preview: z.string().optional() })),
        }),
      )
      .optional()
      .describe('Of a question: all that are asked. Any text is an answer, beside the labels.'),
    title: z.string().optional().describe("The CLI's title of its dialog."),
    displayName: z.string().optional().describe('The name of the tool for a person.'),
    description: z.string().optional().describe('What the tool is about to do, in a line.'),
    reason: z.string().optional().describe('Why the CLI asks, in its words.'),
    reasonType: z.string().optional().describe('Why the CLI asks, as a word: `rule`, `safetyCheck`, `workingDir` …'),
    agentId: z.string().optional().describe('The subagent that asks.'),
    mcpServer: z.string().optional().describe('The MCP server of the tool.'),
    oneTap: z
      .boolean()
      .optional()
      .describe(
        '`false`: a person must open the session to allow it; a notification can only deny. Absent in events of older daemons.',
      ),
    defaultToNo: z
      .boolean()
      .optional()
      .describe('`true`: a single key must not allow it; a client asks for more, such as a typed word.'),
    canRemember: z
      .boolean()
      .optional()
      .describe('Whether `always` and `remember` are taken. Absent in events of older daemons.'),
    blockedPath: z.string().optional().describe('The path that it would not touch without asking.'),
    timeout: z.number().describe('`0`: it waits for ever.'),
    truncated: z.boolean().optional(),
  }),
  permissionResolved: z.object({
    permissionId: id,
    sessionId: id,
    decision: z.enum(['allow', 'deny', 'expired', 'cancelled']),
    byDeviceId: z.string().optional(),
    remembered: rememberSchema.optional().describe('The grant remembered by the answer.'),
  }),
  streamComplete: z.object({
    sessionId: id,
    promptId: id.optional().describe('Absent when no prompt began the turn, for example after a background task.'),
    steered: z.array(id).optional().describe('Prompts that went into this turn.'),
    finalResult: z.string().describe('Its last 8 KiB; `truncated` when that is not all.'),
    subtype: z.string().describe('The reason of the end, see below.'),
    isError: z.boolean(),
    duration: z.number().describe('Milliseconds.'),
    cost: z.number().optional().describe('US dollars, of this turn.'),
    usage: usageSchema.optional().describe("Of this turn, under the CLI's names, such as `input_tokens`."),
    numTurns: z.number(),
    resetsAt: timestampSchema.optional().describe('Of `usage_limit`, where it is known: when the limit resets.'),
    truncated: z.boolean().optional(),
  }),
  sessionStatus: z.object({
    sessionId: id,
    status: sessionStatusSchema,
    lastActivity: timestampSchema,
    messageCount: z.int().describe('Messages of the conversation.'),
    totalCost: z.number().optional().describe('US dollars.'),
    sessionName: z.string().optional().describe('Cut at 200 characters.'),
    tag: z.string().optional().describe('A label for a kind of sessions.'),
    archived: z.boolean().optional().describe('`true`: put away by a person, until the next prompt.'),
    model: z.string().optional(),
    permissionMode: z.string().optional().describe('The mode in effect.'),
    effort: z.string().optional().describe('Chosen by `setEffort` or `/effort`.'),
    maxThinkingTokens: z.int().optional().describe('Chosen by `setThinking`.'),
    addedDirectories: z.array(z.string()).optional().describe('By `addDirectory`.'),
    remembered: z.int().optional().describe('The number of remembered grants.'),
    queueDepth: z.int().describe('Waiting prompts.'),
    queue: z
      .array(queuedPromptSchema)
      .optional()
      .describe('The waiting prompts in running order, at most 50. Absent in events of older daemons.'),
    queueHeld: z.boolean().optional().describe('`true`: none of them starts until a person asks for it.'),
    background: z
      .array(z.unknown())
      .optional()
      .describe('What still runs after the turn: `{taskId, type?, description?}`.'),
    place: z
      .object({ position: z.int(), estimateMs: z.int().optional() })
      .optional()
      .describe("Present while its prompts wait for another session's CLI to become idle; `position` 1 is the next."),
    autoContinue: z.boolean().optional().describe('Present while the daemon continues by itself after a usage limit.'),
    continuesAt: timestampSchema.optional().describe('When it does so next: the reset of the limit.'),
    reason: z.string().optional().describe('Of `closed` (`unused`: by `SESSION_TTL_MS`) and `error`.'),
  }),
  rateLimit: z.object({
    sessionId: id,
    status: limitStatusSchema.describe('`warning`: requests are allowed, and the limit is near.'),
    window: z
      .string()
      .optional()
      .describe(
        'The window that decides, by the name of the CLI: `five_hour`, `seven_day`, `seven_day_opus` …; absent when only the pace of requests was refused.',
      ),
    utilization: z.number().optional().describe('The share of the window that is used, from 0 to 1, to 0.01.'),
    resetsAt: timestampSchema
      .optional()
      .describe('When the next window begins; without a window, when the CLI tries again.'),
    overage: limitOverageSchema.optional(),
    timestamp: timestampSchema,
  }),
  turnDiff: z.object({
    sessionId: id,
    promptId: id.optional().describe('Absent when no prompt began the turn.'),
    files: z.array(changedFileSchema).describe('By path; at most 1,000.'),
    patch: z.string().optional().describe("A unified diff in git's form, up to 32 Ki units."),
    partial: z.boolean().optional().describe('Not everything could be compared: changes can be missing.'),
    truncated: z.boolean().optional().describe('There are more files, or a longer patch, than is kept.'),
  }),
  rewound: rewoundSchema,
  budget: z.object({
    sessionId: id.describe('The session whose turn has brought it there.'),
    budgetId: id,
    state: z.enum(['warning', 'exceeded']).describe('Each is told once in a period.'),
    of: budgetOfSchema,
    period: budgetPeriodSchema,
    unit: z.enum(['tokens', 'dollars']),
    used: z.number(),
    limit: z.number(),
    stops: z.boolean().describe('Whether prompts are refused once it is used up.'),
    resetsAt: timestampSchema.optional().describe('When the next period begins; absent for `always`.'),
    timestamp: timestampSchema,
  }),
  /** A message for a person from the CLI, from a hook or about the conversation, not from Claude. */
  notice: z.object({
    sessionId: id,
    kind: z.string().describe('New kinds can be added.'),
    level: z.enum(['info', 'warning']),
    message: z.string(),
    truncated: z.boolean().optional(),
    timestamp: timestampSchema,
  }),
  error: z.object({
    sessionId: id,
    code: errorCodeSchema,
    message: z.string(),
    details: errorDetailsSchema.optional(),
    givenUp: z.boolean().optional().describe('The daemon has stopped retrying: a person must act.'),
  }),
} as const;

export type EventType = keyof typeof EVENTS;
export type EventData<T extends EventType> = z.infer<(typeof EVENTS)[T]>;
