/** The successful answer of each REST command: for documents and tests, since the daemon itself only needs the types. */
import * as z from 'zod';
import { auditPageSchema } from './audit.js';
import {
  authMethodsSchema,
  devicesSchema,
  deviceViewSchema,
  grantSchema,
  meSchema,
  pairingSchema,
  peopleSchema,
  personSchema,
  ticketSchema,
} from './auth.js';
import { budgetSchema, budgetsSchema } from './budgets.js';
import type { RestCommand } from './commands/rest.js';
import { conversationsSchema } from './conversations.js';
import { EVENTS } from './events.js';
import { fileAccessesSchema } from './file-accesses.js';
import {
  fileContentSchema,
  fileInfoSchema,
  fileListSchema,
  restoredFileSchema,
  sessionDiffViewSchema,
  trashListSchema,
} from './files.js';
import { historyPageSchema, messagePageSchema } from './history.js';
import { addedHookSchema, hookAnswerSchema, hookSchema, hooksSchema } from './hooks.js';
import { addedKeySchema, keySchema, keysSchema } from './keys.js';
import { mcpLoginSchema, mcpServerSchema, mcpServersSchema, mcpToolsSchema, sessionToolsSchema } from './mcp.js';
import { mcpAnswerSchema } from './mcp-message.js';
import { chatCompletionSchema } from './openai.js';
import {
  modelCapabilitiesSchema,
  modelObjectSchema,
  modelsSchema,
  projectSchema,
  projectsSchema,
  sessionObjectSchema,
  sessionObjectsSchema,
  sessionStatsSchema,
} from './openai-views.js';
import { placeSchema, placesSchema } from './projects.js';
import { openPermissionsSchema, promptPageSchema, promptViewSchema } from './prompts.js';
import { deliveriesSchema } from './push.js';
import { pushPreferencesSchema } from './push-preferences.js';
import { deletedResponseSchema, responseSchema } from './responses.js';
import {
  bulkResultSchema,
  deviceQueueSchema,
  healthSchema,
  queueSchema,
  rememberedListSchema,
  sessionStatusesSchema,
  sessionViewSchema,
} from './rest.js';
import { seqSchema, timestampSchema } from './scalars.js';
import { scheduleRunSchema, scheduleRunsSchema, scheduleSchema, schedulesSchema } from './schedules.js';
import { searchResultsSchema } from './search.js';
import { ANSWERS } from './server-frames.js';
import { tasksSchema } from './tasks.js';
import { clientViewSchema, samplesSchema, telemetrySchema } from './telemetry.js';
import { infoSchema, usageLimitsSchema, usageSchema } from './usage.js';
import { waitingSchema } from './waiting.js';
import {
  addedWebhookSchema,
  webhookDeliveriesSchema,
  webhookDeliverySchema,
  webhookSchema,
  webhooksSchema,
} from './webhooks.js';

export interface RestAnswer {
  /** Absent: the answer is not JSON. */
  shape?: z.ZodType;
  /** Of answers with this shape: 200 unless given. */
  statuses?: readonly number[];
  /** The media type: JSON unless given. */
  type?: string;
  /** What the shape and the statuses do not say. */
  note?: string;
}

const success = z.literal(true);
const withoutUser = grantSchema.omit({ user: true });
const takenBackSchema = rememberedListSchema.extend({ success, removed: z.int().describe('How many were removed.') });

/** `GET /api/sessions/:id/events/:seq`: the event's frame without a cut. */
const eventSchema = z.object({
  type: z.string(),
  timestamp: timestampSchema,
  sessionId: z.string(),
  seq: seqSchema,
  epoch: z.string(),
  data: z.record(z.string(), z.unknown()),
});

const ANSWERS_AS_WRITTEN = {
  live: { shape: z.object({ status: z.literal('ok') }) },
  health: {
    statuses: [200, 503],
    shape: z.union([healthSchema, healthSchema.pick({ status: true })]),
    note: 'without a credential `status` alone; 503 when `unhealthy`',
  },
  ready: {
    statuses: [200, 503],
    shape: z.object({ status: z.enum(['ready', 'unavailable']) }),
    note: '503 when `unavailable`',
  },
  metrics: {
    type: 'text/plain',
    note: 'counters and gauges in the text format of Prometheus, all named `companion_…`',
  },
  pair: { shape: grantSchema },
  login: { shape: grantSchema },
  refresh: { shape: withoutUser, note: '`Grant` without `user`' },
  logout: { shape: z.object({ success }), note: '409 `CONFLICT` for a credential that does not belong to a device' },
  createTicket: { shape: ticketSchema },
  showAuthMethods: { shape: authMethodsSchema },
  showMe: { shape: meSchema },
  listSessions: {
    shape: z.object({ sessions: z.array(sessionViewSchema), total: z.int(), limit: z.int(), offset: z.int() }),
    note: 'by last activity, newest first',
  },
  createSession: {
    statuses: [200, 201],
    shape: sessionViewSchema,
    note: '201, or 200 when the directory had a session; with `reused`',
  },
  listStatuses: { shape: sessionStatusesSchema, note: 'all sessions, by last activity, newest first' },
  continueSession: {
    statuses: [200, 201],
    shape: sessionViewSchema,
    note: '201, or 200 when the directory had a session; 404 `NOT_FOUND` without a conversation',
  },
  changeSessions: { shape: bulkResultSchema, note: 'in the order of `ids`; some can have failed' },
  showSession: { shape: sessionViewSchema, note: 'with `permissions` while its child is up' },
  changeSession: { shape: sessionViewSchema },
  closeSession: { shape: sessionViewSchema.extend({ success }) },
  listTasks: { shape: tasksSchema, note: 'the data of the frame `tasks`' },
  getTaskOutput: { shape: ANSWERS.getTaskOutput, note: 'of a shell or a monitor' },
  stopTask: { shape: ANSWERS.stopTask },
  backgroundTask: { shape: ANSWERS.backgroundTask, note: '409 `CONFLICT` when no tool runs' },
  showSessionQueue: { shape: queueSchema, note: 'the waiting prompts in running order, at most 50' },
  clearQueue: { shape: ANSWERS.clearQueue },
  continueQueue: { shape: ANSWERS.continueQueue },
  createPrompt: {
    statuses: [200, 202],
    shape: promptViewSchema,
    note: '202, with `Location`; with `wait` 200 when its turn has ended',
  },
  listPrompts: { shape: promptPageSchema, note: 'newest first' },
  showPrompt: { shape: promptViewSchema, note: 'with what its turn has said and done so far' },
  editPrompt: { shape: ANSWERS.editPrompt, note: '409 `CONFLICT` when it has begun or ended' },
  movePrompt: { shape: ANSWERS.movePrompt, note: '409 `CONFLICT` when one of them has begun or ended' },
  cancelPrompt: {
    shape: ANSWERS.promptCancelled,
    note: 'one that runs is interrupted; 409 `CONFLICT` when it has ended',
  },
  interruptSession: { shape: ANSWERS.interrupted },
  rewindSession: { shape: ANSWERS.rewound, note: '409 `CONFLICT` while the session is busy' },
  readEvent: { shape: eventSchema, note: 'uncut while it is kept; else 404 `NOT_FOUND`' },
  readTurnDiff: {
    shape: z.object({
      sessionId: z.string(),
      promptId: z.string(),
      files: EVENTS.turnDiff.shape.files,
      partial: EVENTS.turnDiff.shape.partial,
      truncated: z.boolean().describe('Changes are missing: there were too many, or their events have expired.'),
      patch: z.string().describe("Everything that has changed, as a unified diff in git's form."),
    }),
    note: 'empty for a turn that changed no file; 409 `CONFLICT` before its end; 404 `NOT_FOUND` with field `promptId`',
  },
  listMessages: {
    shape: messagePageSchema,
    note: 'oldest first; with `before`, or a cursor of such a page, the newest ones before it',
  },
  listHistory: { shape: historyPageSchema, note: 'the prompts that have begun, newest first' },
  searchAll: { shape: searchResultsSchema, note: "of the caller's own sessions" },
  listConversations: { shape: conversationsSchema, note: 'of a directory, those of a terminal included, newest first' },
  exportSession: { note: 'the whole [conversation as a document](#history-and-export)' },
  streamAll: { type: 'text/event-stream', note: 'the [event stream](#event-streams) of all sessions of the person' },
  streamSession: { type: 'text/event-stream', note: 'the [event stream](#event-streams) of the session' },
  streamPrompt: {
    type: 'text/event-stream',
    note: 'the [event stream](#event-streams) of one prompt, which ends with it; 204 when the reader has its end',
  },
  listPermissions: {
    shape: openPermissionsSchema,
    note: 'the open ones, oldest first; one that is cut has `truncated`',
  },
  answerPermission: {
    shape: z.object({ success, permissionId: z.string(), decision: z.enum(['allow', 'deny']) }),
    note: 'takes `response` and `actionToken` without a credential',
  },
  listRemembered: { shape: rememberedListSchema, note: 'oldest first' },
  takeBackAllRemembered: { shape: takenBackSchema },
  takeBackRemembered: {
    shape: takenBackSchema,
    note: 'with the remaining ones; 404 `NOT_FOUND` with field `id`',
  },
  listFiles: { shape: fileListSchema },
  listFileAccesses: { shape: fileAccessesSchema, note: 'newest first' },
  readSessionDiff: {
    shape: sessionDiffViewSchema,
    note: 'with `Accept: text/x-diff` the patch alone; 504 `TIMEOUT`',
  },
  listTrash: { shape: trashListSchema, note: 'newest first' },
  restoreFile: { shape: restoredFileSchema, note: '409 `CONFLICT` when something is there now' },
  emptyTrash: { shape: z.object({ success, path: z.string() }), note: 'for ever' },
  readFile: { shape: fileContentSchema },
  createFile: { statuses: [201], shape: fileInfoSchema, note: '201; 409 `CONFLICT` when it exists' },
  replaceFile: { statuses: [200, 201], shape: fileInfoSchema, note: '201 when it is new' },
  removeFile: {
    shape: z.object({
      success,
      path: z.string(),
      trashId: z.string().optional().describe('In the trash; absent when it is gone for ever.'),
    }),
    note: 'to the trash; 409 `CONFLICT` for a folder that is not empty',
  },
  showDocs: { type: 'text/html', note: 'these documents as pages, from the first one on' },
  showDocument: { type: 'text/html', note: '`frames`, `events` or `rest`' },
  showOpenApi: { note: 'the REST interface as an OpenAPI 3.1 document' },
  showAsyncApi: { note: 'the frames as an AsyncAPI 3.0 document' },
  listAudit: {
    shape: auditPageSchema,
    note: 'the newest first; of all people for the owner, else what concerns the person',
  },
  showTelemetry: { shape: telemetrySchema, note: 'since the start of the daemon' },
  showClient: {
    shape: clientViewSchema,
    note: "a WebSocket client of the person's, by the `clientId` from its `welcome` or by its device",
  },
  exportTelemetry: { shape: samplesSchema, note: 'as `format` says' },
  showInfo: { shape: infoSchema },
  showUsage: {
    shape: usageSchema,
    note: 'days in order, other groups by cost, highest first; `person` has all people for a credential with `admin`',
  },
  showLimits: { shape: usageLimitsSchema, note: 'the limits of the account, from the newest report' },
  listWaiting: { shape: waitingSchema, note: 'what waits for a person, and the prompts that run or wait' },
  listDevices: { shape: z.object({ devices: z.array(deviceViewSchema) }) },
  showDevice: { shape: deviceViewSchema },
  changeDevice: { shape: deviceViewSchema },
  revokeDevice: {
    shape: z.object({ success, deviceId: z.string() }),
    note: "another device than the credential's needs `admin`; it is disconnected within a second, and no token other than its own can use its name until it is paired again under its `deviceId`",
  },
  listKeys: { shape: z.object({ keys: z.array(keySchema) }), note: "the person's, without their secrets" },
  addKey: {
    statuses: [201],
    shape: addedKeySchema,
    note: '403 `PERMISSION_DENIED` for a scope that the caller lacks; 409 `CONFLICT` when the name is taken',
  },
  revokeKey: {
    shape: z.object({ success, id: z.string() }),
    note: "a key can revoke itself; another one needs `admin`; the key's connections are closed at once",
  },
  showQueue: {
    shape: deviceQueueSchema,
    note: 'the sessions that the device follows; 404 `NOT_FOUND` for an unknown device or a device of another person',
  },
  listPlaces: {
    shape: placesSchema,
    note: 'those with a session by last activity, then the others right below `PROJECT_ROOTS` by path',
  },
  makePlace: { statuses: [200, 201], shape: placeSchema, note: '201, or 200 when the folder exists' },
  clonePlace: {
    statuses: [201],
    shape: placeSchema,
    note: '201; 409 `CONFLICT` when the folder exists; with `Accept: text/event-stream` the [events of the clone](#projects)',
  },
  showPlace: { shape: placeSchema, note: '404 `PROJECT_NOT_FOUND`; 409 `CONFLICT` when several have the name' },
  addWorktree: {
    statuses: [201],
    shape: placeSchema,
    note: '201: the new working tree as a project; 409 `CONFLICT` when folder or branch are taken',
  },
  forgetPlace: {
    shape: z.object({ success, name: z.string() }),
    note: 'purges its session, and leaves the files unless `files=true`',
  },
  startPlace: {
    statuses: [200, 201],
    shape: sessionViewSchema,
    note: '201, or 200 when the directory had a session; with `reused`',
  },
  listBudgets: { shape: budgetsSchema },
  addBudget: { statuses: [201], shape: budgetSchema, note: '409 `CONFLICT` beyond 20 of a person' },
  showBudget: { shape: budgetSchema, note: '404 `NOT_FOUND` with field `budgetId`' },
  changeBudget: { shape: budgetSchema, note: 'one that somebody else has made needs `admin`' },
  removeBudget: {
    shape: z.object({ success, budgetId: z.string() }),
    note: 'one that somebody else has made needs `admin`',
  },
  registerPush: { shape: z.object({ success, deviceId: z.string() }) },
  changePushPreferences: {
    shape: z.object({ success, deviceId: z.string(), preferences: pushPreferencesSchema }),
  },
  testPush: {
    statuses: [202],
    shape: z.object({ success, id: z.string() }),
    note: '202; 409 `CONFLICT` for a device without a registration',
  },
  listPushDeliveries: { shape: deliveriesSchema, note: 'newest first' },
  showVapidKey: {
    shape: z.object({ publicKey: z.string() }),
    note: 'with which a browser subscribes; 404 while the keys cannot be read or created',
  },
  listSchedules: { shape: schedulesSchema, note: 'newest first' },
  createSchedule: { statuses: [201], shape: scheduleSchema, note: '201; 409 `CONFLICT` beyond 1,000 of a person' },
  showSchedule: { shape: scheduleSchema, note: '404 `NOT_FOUND`' },
  changeSchedule: { shape: scheduleSchema },
  deleteSchedule: { shape: z.object({ success, id: z.string() }), note: 'with its history; what it has sent goes on' },
  runSchedule: {
    statuses: [202],
    shape: scheduleRunSchema,
    note: '202; the history of runs says what came of it',
  },
  listScheduleRuns: { shape: scheduleRunsSchema, note: 'the last due first; 200 are kept' },
  listHooks: { shape: hooksSchema, note: 'newest first' },
  createHook: { statuses: [201], shape: addedHookSchema, note: '201; 409 `CONFLICT` beyond 100 of a person' },
  showHook: { shape: hookSchema, note: '404 `NOT_FOUND`' },
  deliverHook: {
    statuses: [202],
    shape: hookAnswerSchema,
    note: '202; 401 for a wrong secret or address; 400 names the value that the template lacks; 409 while it is off',
  },
  changeHook: { shape: hookSchema },
  rotateHook: { shape: addedHookSchema, note: 'with another secret, which holds at once' },
  deleteHook: { shape: z.object({ success, id: z.string() }) },
  listWebhooks: { shape: webhooksSchema, note: 'newest first' },
  createWebhook: { statuses: [201], shape: addedWebhookSchema, note: '201; 409 `CONFLICT` beyond 20 of a person' },
  showWebhook: { shape: webhookSchema, note: '404 `NOT_FOUND`' },
  changeWebhook: { shape: webhookSchema },
  deleteWebhook: { shape: z.object({ success, webhookId: z.string() }), note: 'with its deliveries' },
  rotateWebhook: { shape: addedWebhookSchema, note: 'the secret before is used for a day more' },
  testWebhook: {
    statuses: [202],
    shape: webhookDeliverySchema,
    note: '202; 409 `CONFLICT` while it is disabled; it is tried once',
  },
  listWebhookDeliveries: { shape: webhookDeliveriesSchema, note: 'newest first; 500 are kept, for 7 days' },
  replayWebhookDelivery: {
    statuses: [202],
    shape: webhookDeliverySchema,
    note: '202; it is sent again under the same id; 409 `CONFLICT` while the webhook is disabled',
  },
  completeChat: {
    shape: chatCompletionSchema,
    note: 'with `stream` as events `data: {…}` of the object `chat.completion.chunk`, and `data: [DONE]`',
  },
  createResponse: {
    shape: responseSchema,
    note: 'with `stream` as [events](#responses); with `background` before the turn has begun',
  },
  showResponse: { shape: responseSchema, note: 'with `stream` as [events](#responses)' },
  cancelResponse: { shape: responseSchema, note: 'of one that has ended as it is' },
  deleteResponse: {
    shape: deletedResponseSchema,
    note: 'with its conversation; 409 `CONFLICT` in a session, or where others follow or precede it',
  },
  listModels: { shape: modelsSchema, note: "the CLI's own list" },
  listModelCapabilities: { shape: modelCapabilitiesSchema },
  showModel: { shape: modelObjectSchema, note: 'also by the name that an alias stands for' },
  listProjects: {
    shape: projectsSchema,
    note: 'those with a session by last activity, then the other directories right below PROJECT_ROOTS by path',
  },
  createProject: { statuses: [200, 201], shape: projectSchema, note: '201, or 200 when the directory exists' },
  showProject: { shape: projectSchema, note: '404 `PROJECT_NOT_FOUND`' },
  forgetProject: {
    shape: z.object({ id: z.string(), object: z.literal('project'), deleted: success }),
    note: 'purges the session of the directory; its files stay',
  },
  listOwnSessions: { shape: sessionObjectsSchema, note: 'by last activity, newest first' },
  openSession: {
    statuses: [200, 201],
    shape: sessionObjectSchema,
    note: '201, or 200 when the directory had a session',
  },
  showStats: { shape: sessionStatsSchema, note: 'of all sessions that are there' },
  showOwnSession: { shape: sessionObjectSchema },
  endSession: { shape: sessionObjectSchema, note: 'closes it' },
  listMcpServers: { shape: mcpServersSchema, note: 'as a running CLI reports them, or one that is started for it' },
  listMcpTools: { shape: mcpToolsSchema, note: '404 `NOT_FOUND` with field `id`' },
  toggleMcpServer: { shape: mcpServerSchema, note: 'the CLI remembers it for the directory' },
  reconnectMcpServer: { shape: mcpServerSchema, note: '`failed` when it cannot be connected to' },
  loginToMcpServer: { shape: mcpLoginSchema },
  finishMcpLogin: { shape: mcpServerSchema },
  showSessionTools: { shape: sessionToolsSchema, note: '409 `CONFLICT` while its CLI does not run' },
  chooseSessionTools: { shape: sessionToolsSchema, note: '409 `CONFLICT` while its CLI does not run' },
  callMcp: {
    statuses: [200, 202],
    shape: mcpAnswerSchema,
    note: 'the answer to a [message of MCP](#mcp), for a client that accepts `text/event-stream` as events; 202 without a body to a notification',
  },
  makeToken: {
    shape: z.object({ token: z.string() }),
    note: 'a token made earlier becomes invalid; `AUTH_TOKEN` is not affected',
  },
  stopDaemon: {
    shape: z.object({ children: z.int() }),
    note: 'the daemon stops; with `all` the children end as well',
  },
  openPairing: { shape: pairingSchema },
  listPeople: { shape: peopleSchema },
  addPerson: { statuses: [201], shape: personSchema, note: '201' },
  changePerson: { shape: personSchema },
  removePerson: {
    shape: z.object({ success, sessions: z.int().describe('How many were purged.') }),
    note: 'the files that the CLI keeps for them are removed as well, when the last of their CLIs has gone',
  },
  listAllDevices: { shape: devicesSchema, note: "all people's devices" },
  listAllKeys: { shape: keysSchema, note: "all people's keys" },
  addAnyKey: { statuses: [201], shape: addedKeySchema },
  revokeAnyKey: { shape: z.object({ success, id: z.string() }) },
  revokeAnyDevice: { shape: z.object({ success, deviceId: z.string() }) },
} as const satisfies Record<RestCommand, RestAnswer>;

/** The answers as they are written, for what derives types from them. */
export type RestAnswers = typeof ANSWERS_AS_WRITTEN;

export const REST_ANSWERS: Readonly<Record<RestCommand, RestAnswer>> = ANSWERS_AS_WRITTEN;
