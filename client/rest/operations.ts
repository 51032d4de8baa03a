/** The requests to the daemon, one function each: generated from the command table by `npm run protocol`. */
import { eventStream, operation } from './operation.js';

/** `GET /live`. */
export const live = /* @__PURE__ */ operation<'live'>('GET /live');

/** `GET /health`: without a credential `status` alone; 503 when `unhealthy`. */
export const health = /* @__PURE__ */ operation<'health'>('GET /health');

/** `GET /ready`: 503 when `unavailable`. */
export const ready = /* @__PURE__ */ operation<'ready'>('GET /ready');

/** `GET /metrics`: counters and gauges in the text format of Prometheus, all named `companion_…`. */
export const metrics = /* @__PURE__ */ operation<'metrics'>('GET /metrics');

/** `POST /api/auth/pair`. */
export const pair = /* @__PURE__ */ operation<'pair'>('POST /api/auth/pair');

/** `POST /api/auth/login`. */
export const login = /* @__PURE__ */ operation<'login'>('POST /api/auth/login');

/** `POST /api/auth/refresh`: `Grant` without `user`. */
export const refresh = /* @__PURE__ */ operation<'refresh'>('POST /api/auth/refresh');

/** `POST /api/auth/logout`: 409 `CONFLICT` for a credential that does not belong to a device. */
export const logout = /* @__PURE__ */ operation<'logout'>('POST /api/auth/logout');

/** `POST /api/auth/ticket`. */
export const createTicket = /* @__PURE__ */ operation<'createTicket'>('POST /api/auth/ticket');

/** `GET /api/auth/methods`. */
export const showAuthMethods = /* @__PURE__ */ operation<'showAuthMethods'>('GET /api/auth/methods');

/** `GET /api/auth/me`. */
export const showMe = /* @__PURE__ */ operation<'showMe'>('GET /api/auth/me');

/** `GET /api/sessions`: by last activity, newest first. */
export const listSessions = /* @__PURE__ */ operation<'listSessions'>('GET /api/sessions');

/** `POST /api/sessions`: 201, or 200 when the directory had a session; with `reused`. */
export const createSession = /* @__PURE__ */ operation<'createSession'>('POST /api/sessions');

/** `GET /api/sessions/status`: all sessions, by last activity, newest first. */
export const listStatuses = /* @__PURE__ */ operation<'listStatuses'>('GET /api/sessions/status');

/** `POST /api/sessions/continue`: 201, or 200 when the directory had a session; 404 `NOT_FOUND` without a conversation. */
export const continueSession = /* @__PURE__ */ operation<'continueSession'>('POST /api/sessions/continue');

/** `POST /api/sessions/bulk`: in the order of `ids`; some can have failed. */
export const changeSessions = /* @__PURE__ */ operation<'changeSessions'>('POST /api/sessions/bulk');

/** `GET /api/sessions/:id`: with `permissions` while its child is up. */
export const showSession = /* @__PURE__ */ operation<'showSession'>('GET /api/sessions/:id');

/** `PATCH /api/sessions/:id`. */
export const changeSession = /* @__PURE__ */ operation<'changeSession'>('PATCH /api/sessions/:id');

/** `DELETE /api/sessions/:id`. */
export const closeSession = /* @__PURE__ */ operation<'closeSession'>('DELETE /api/sessions/:id');

/** `GET /api/sessions/:id/tasks`: the data of the frame `tasks`. */
export const listTasks = /* @__PURE__ */ operation<'listTasks'>('GET /api/sessions/:id/tasks');

/** `GET /api/sessions/:id/tasks/:taskId/output`: of a shell or a monitor. */
export const getTaskOutput = /* @__PURE__ */ operation<'getTaskOutput'>('GET /api/sessions/:id/tasks/:taskId/output');

/** `POST /api/sessions/:id/tasks/:taskId/stop`. */
export const stopTask = /* @__PURE__ */ operation<'stopTask'>('POST /api/sessions/:id/tasks/:taskId/stop');

/** `POST /api/sessions/:id/tasks/background`: 409 `CONFLICT` when no tool runs. */
export const backgroundTask = /* @__PURE__ */ operation<'backgroundTask'>('POST /api/sessions/:id/tasks/background');

/** `GET /api/sessions/:id/queue`: the waiting prompts in running order, at most 50. */
export const showSessionQueue = /* @__PURE__ */ operation<'showSessionQueue'>('GET /api/sessions/:id/queue');

/** `DELETE /api/sessions/:id/queue`. */
export const clearQueue = /* @__PURE__ */ operation<'clearQueue'>('DELETE /api/sessions/:id/queue');

/** `POST /api/sessions/:id/queue/continue`. */
export const continueQueue = /* @__PURE__ */ operation<'continueQueue'>('POST /api/sessions/:id/queue/continue');

/** `POST /api/sessions/:id/prompts`: 202, with `Location`; with `wait` 200 when its turn has ended. */
export const createPrompt = /* @__PURE__ */ operation<'createPrompt'>('POST /api/sessions/:id/prompts');

/** `GET /api/sessions/:id/prompts`: newest first. */
export const listPrompts = /* @__PURE__ */ operation<'listPrompts'>('GET /api/sessions/:id/prompts');

/** `GET /api/sessions/:id/prompts/:promptId`: with what its turn has said and done so far. */
export const showPrompt = /* @__PURE__ */ operation<'showPrompt'>('GET /api/sessions/:id/prompts/:promptId');

/** `PATCH /api/sessions/:id/prompts/:promptId`: 409 `CONFLICT` when it has begun or ended. */
export const editPrompt = /* @__PURE__ */ operation<'editPrompt'>('PATCH /api/sessions/:id/prompts/:promptId');

/** `POST /api/sessions/:id/prompts/:promptId/move`: 409 `CONFLICT` when one of them has begun or ended. */
export const movePrompt = /* @__PURE__ */ operation<'movePrompt'>('POST /api/sessions/:id/prompts/:promptId/move');

/** `DELETE /api/sessions/:id/prompts/:promptId`: one that runs is interrupted; 409 `CONFLICT` when it has ended. */
export const cancelPrompt = /* @__PURE__ */ operation<'cancelPrompt'>('DELETE /api/sessions/:id/prompts/:promptId');

/** `POST /api/sessions/:id/interrupt`. */
export const interruptSession = /* @__PURE__ */ operation<'interruptSession'>('POST /api/sessions/:id/interrupt');

/** `POST /api/sessions/:id/rewind`: 409 `CONFLICT` while the session is busy. */
export const rewindSession = /* @__PURE__ */ operation<'rewindSession'>('POST /api/sessions/:id/rewind');

/** `GET /api/sessions/:id/events/:seq`: uncut while it is kept; else 404 `NOT_FOUND`. */
export const readEvent = /* @__PURE__ */ operation<'readEvent'>('GET /api/sessions/:id/events/:seq');

/** `GET /api/sessions/:id/prompts/:promptId/diff`: empty for a turn that changed no file; 409 `CONFLICT` before its end; 404 `NOT_FOUND` with field `promptId`. */
export const readTurnDiff = /* @__PURE__ */ operation<'readTurnDiff'>('GET /api/sessions/:id/prompts/:promptId/diff');

/** `GET /api/sessions/:id/messages`: oldest first; with `before`, or a cursor of such a page, the newest ones before it. */
export const listMessages = /* @__PURE__ */ operation<'listMessages'>('GET /api/sessions/:id/messages');

/** `GET /api/sessions/:id/history`: the prompts that have begun, newest first. */
export const listHistory = /* @__PURE__ */ operation<'listHistory'>('GET /api/sessions/:id/history');

/** `GET /api/search`: of the caller's own sessions. */
export const searchAll = /* @__PURE__ */ operation<'searchAll'>('GET /api/search');

/** `GET /api/conversations`: of a directory, those of a terminal included, newest first. */
export const listConversations = /* @__PURE__ */ operation<'listConversations'>('GET /api/conversations');

/** `GET /api/sessions/:id/export`: the whole [conversation as a document](#history-and-export). */
export const exportSession = /* @__PURE__ */ operation<'exportSession'>('GET /api/sessions/:id/export');

/** `GET /api/stream`: the [event stream](#event-streams) of all sessions of the person. */
export const streamAll = /* @__PURE__ */ eventStream<'streamAll'>('GET /api/stream');

/** `GET /api/sessions/:id/stream`: the [event stream](#event-streams) of the session. */
export const streamSession = /* @__PURE__ */ eventStream<'streamSession'>('GET /api/sessions/:id/stream');

/** `GET /api/sessions/:id/prompts/:promptId/stream`: the [event stream](#event-streams) of one prompt, which ends with it; 204 when the reader has its end. */
export const streamPrompt = /* @__PURE__ */ eventStream<'streamPrompt'>(
  'GET /api/sessions/:id/prompts/:promptId/stream',
  { ends: true },
);

/** `GET /api/sessions/:id/permissions`: the open ones, oldest first; one that is cut has `truncated`. */
export const listPermissions = /* @__PURE__ */ operation<'listPermissions'>('GET /api/sessions/:id/permissions');

/** `POST /api/sessions/:id/permissions/:permissionId`: takes `response` and `actionToken` without a credential. */
export const answerPermission = /* @__PURE__ */ operation<'answerPermission'>(
  'POST /api/sessions/:id/permissions/:permissionId',
);

/** `GET /api/sessions/:id/remembered`: oldest first. */
export const listRemembered = /* @__PURE__ */ operation<'listRemembered'>('GET /api/sessions/:id/remembered');

/** `DELETE /api/sessions/:id/remembered`. */
export const takeBackAllRemembered = /* @__PURE__ */ operation<'takeBackAllRemembered'>(
  'DELETE /api/sessions/:id/remembered',
);

/** `DELETE /api/sessions/:id/remembered/:rememberedId`: with the remaining ones; 404 `NOT_FOUND` with field `id`. */
export const takeBackRemembered = /* @__PURE__ */ operation<'takeBackRemembered'>(
  'DELETE /api/sessions/:id/remembered/:rememberedId',
);

/** `GET /api/sessions/:id/files`. */
export const listFiles = /* @__PURE__ */ operation<'listFiles'>('GET /api/sessions/:id/files');

/** `GET /api/sessions/:id/files/access`: newest first. */
export const listFileAccesses = /* @__PURE__ */ operation<'listFileAccesses'>('GET /api/sessions/:id/files/access');

/** `GET /api/sessions/:id/diff`: with `Accept: text/x-diff` the patch alone; 504 `TIMEOUT`. */
export const readSessionDiff = /* @__PURE__ */ operation<'readSessionDiff'>('GET /api/sessions/:id/diff');

/** `GET /api/sessions/:id/files/trash`: newest first. */
export const listTrash = /* @__PURE__ */ operation<'listTrash'>('GET /api/sessions/:id/files/trash');

/** `POST /api/sessions/:id/files/trash/:trashId/restore`: 409 `CONFLICT` when something is there now. */
export const restoreFile = /* @__PURE__ */ operation<'restoreFile'>(
  'POST /api/sessions/:id/files/trash/:trashId/restore',
);

/** `DELETE /api/sessions/:id/files/trash/:trashId`: for ever. */
export const emptyTrash = /* @__PURE__ */ operation<'emptyTrash'>('DELETE /api/sessions/:id/files/trash/:trashId');

/** `GET /api/sessions/:id/files/*path`. */
export const readFile = /* @__PURE__ */ operation<'readFile'>('GET /api/sessions/:id/files/*path');

/** `POST /api/sessions/:id/files/*path`: 201; 409 `CONFLICT` when it exists. */
export const createFile = /* @__PURE__ */ operation<'createFile'>('POST /api/sessions/:id/files/*path');

/** `PUT /api/sessions/:id/files/*path`: 201 when it is new. */
export const replaceFile = /* @__PURE__ */ operation<'replaceFile'>('PUT /api/sessions/:id/files/*path');

/** `DELETE /api/sessions/:id/files/*path`: to the trash; 409 `CONFLICT` for a folder that is not empty. */
export const removeFile = /* @__PURE__ */ operation<'removeFile'>('DELETE /api/sessions/:id/files/*path');

/** `GET /docs`: these documents as pages, from the first one on. */
export const showDocs = /* @__PURE__ */ operation<'showDocs'>('GET /docs');

/** `GET /docs/:name`: `frames`, `events` or `rest`. */
export const showDocument = /* @__PURE__ */ operation<'showDocument'>('GET /docs/:name');

/** `GET /openapi.json`: the REST interface as an OpenAPI 3.1 document. */
export const showOpenApi = /* @__PURE__ */ operation<'showOpenApi'>('GET /openapi.json');

/** `GET /asyncapi.json`: the frames as an AsyncAPI 3.0 document. */
export const showAsyncApi = /* @__PURE__ */ operation<'showAsyncApi'>('GET /asyncapi.json');

/** `GET /api/audit`: the newest first; of all people for the owner, else what concerns the person. */
export const listAudit = /* @__PURE__ */ operation<'listAudit'>('GET /api/audit');

/** `GET /api/telemetry`: since the start of the daemon. */
export const showTelemetry = /* @__PURE__ */ operation<'showTelemetry'>('GET /api/telemetry');

/** `GET /api/telemetry/client/:clientId`: a WebSocket client of the person's, by the `clientId` from its `welcome` or by its device. */
export const showClient = /* @__PURE__ */ operation<'showClient'>('GET /api/telemetry/client/:clientId');

/** `GET /api/telemetry/export`: as `format` says. */
export const exportTelemetry = /* @__PURE__ */ operation<'exportTelemetry'>('GET /api/telemetry/export');

/** `GET /api/info`. */
export const showInfo = /* @__PURE__ */ operation<'showInfo'>('GET /api/info');

/** `GET /api/usage`: days in order, other groups by cost, highest first; `person` has all people for a credential with `admin`. */
export const showUsage = /* @__PURE__ */ operation<'showUsage'>('GET /api/usage');

/** `GET /api/usage/limits`: the limits of the account, from the newest report. */
export const showLimits = /* @__PURE__ */ operation<'showLimits'>('GET /api/usage/limits');

/** `GET /api/waiting`: what waits for a person, and the prompts that run or wait. */
export const listWaiting = /* @__PURE__ */ operation<'listWaiting'>('GET /api/waiting');

/** `GET /api/devices`. */
export const listDevices = /* @__PURE__ */ operation<'listDevices'>('GET /api/devices');

/** `GET /api/devices/:id`. */
export const showDevice = /* @__PURE__ */ operation<'showDevice'>('GET /api/devices/:id');

/** `PATCH /api/devices/:id`. */
export const changeDevice = /* @__PURE__ */ operation<'changeDevice'>('PATCH /api/devices/:id');

/** `DELETE /api/devices/:id`: another device than the credential's needs `admin`; it is disconnected within a second, and no token other than its own can use its name until it is paired again under its `deviceId`. */
export const revokeDevice = /* @__PURE__ */ operation<'revokeDevice'>('DELETE /api/devices/:id');

/** `GET /api/keys`: the person's, without their secrets. */
export const listKeys = /* @__PURE__ */ operation<'listKeys'>('GET /api/keys');

/** `POST /api/keys`: 403 `PERMISSION_DENIED` for a scope that the caller lacks; 409 `CONFLICT` when the name is taken. */
export const addKey = /* @__PURE__ */ operation<'addKey'>('POST /api/keys');

/** `DELETE /api/keys/:id`: a key can revoke itself; another one needs `admin`; the key's connections are closed at once. */
export const revokeKey = /* @__PURE__ */ operation<'revokeKey'>('DELETE /api/keys/:id');

/** `GET /api/devices/:id/queue`: the sessions that the device follows; 404 `NOT_FOUND` for an unknown device or a device of another person. */
export const showQueue = /* @__PURE__ */ operation<'showQueue'>('GET /api/devices/:id/queue');

/** `GET /api/projects`: those with a session by last activity, then the others right below `PROJECT_ROOTS` by path. */
export const listPlaces = /* @__PURE__ */ operation<'listPlaces'>('GET /api/projects');

/** `POST /api/projects`: 201, or 200 when the folder exists. */
export const makePlace = /* @__PURE__ */ operation<'makePlace'>('POST /api/projects');

/** `POST /api/projects/clone`: 201; 409 `CONFLICT` when the folder exists; with `Accept: text/event-stream` the [events of the clone](#projects). */
export const clonePlace = /* @__PURE__ */ operation<'clonePlace'>('POST /api/projects/clone');

/** `GET /api/projects/:name`: 404 `PROJECT_NOT_FOUND`; 409 `CONFLICT` when several have the name. */
export const showPlace = /* @__PURE__ */ operation<'showPlace'>('GET /api/projects/:name');

/** `POST /api/projects/:name/worktrees`: 201: the new working tree as a project; 409 `CONFLICT` when folder or branch are taken. */
export const addWorktree = /* @__PURE__ */ operation<'addWorktree'>('POST /api/projects/:name/worktrees');

/** `DELETE /api/projects/:name`: purges its session, and leaves the files unless `files=true`. */
export const forgetPlace = /* @__PURE__ */ operation<'forgetPlace'>('DELETE /api/projects/:name');

/** `POST /api/projects/:name/start`: 201, or 200 when the directory had a session; with `reused`. */
export const startPlace = /* @__PURE__ */ operation<'startPlace'>('POST /api/projects/:name/start');

/** `GET /api/budgets`. */
export const listBudgets = /* @__PURE__ */ operation<'listBudgets'>('GET /api/budgets');

/** `POST /api/budgets`: 409 `CONFLICT` beyond 20 of a person. */
export const addBudget = /* @__PURE__ */ operation<'addBudget'>('POST /api/budgets');

/** `GET /api/budgets/:id`: 404 `NOT_FOUND` with field `budgetId`. */
export const showBudget = /* @__PURE__ */ operation<'showBudget'>('GET /api/budgets/:id');

/** `PATCH /api/budgets/:id`: one that somebody else has made needs `admin`. */
export const changeBudget = /* @__PURE__ */ operation<'changeBudget'>('PATCH /api/budgets/:id');

/** `DELETE /api/budgets/:id`: one that somebody else has made needs `admin`. */
export const removeBudget = /* @__PURE__ */ operation<'removeBudget'>('DELETE /api/budgets/:id');

/** `POST /api/push-notifications/register`. */
export const registerPush = /* @__PURE__ */ operation<'registerPush'>('POST /api/push-notifications/register');

/** `POST /api/push-notifications/preferences`. */
export const changePushPreferences = /* @__PURE__ */ operation<'changePushPreferences'>(
  'POST /api/push-notifications/preferences',
);

/** `POST /api/push-notifications/test`: 202; 409 `CONFLICT` for a device without a registration. */
export const testPush = /* @__PURE__ */ operation<'testPush'>('POST /api/push-notifications/test');

/** `GET /api/push-notifications/deliveries`: newest first. */
export const listPushDeliveries = /* @__PURE__ */ operation<'listPushDeliveries'>(
  'GET /api/push-notifications/deliveries',
);

/** `GET /api/push-notifications/vapid-key`: with which a browser subscribes; 404 while the keys cannot be read or created. */
export const showVapidKey = /* @__PURE__ */ operation<'showVapidKey'>('GET /api/push-notifications/vapid-key');

/** `GET /api/schedules`: newest first. */
export const listSchedules = /* @__PURE__ */ operation<'listSchedules'>('GET /api/schedules');

/** `POST /api/schedules`: 201; 409 `CONFLICT` beyond 1,000 of a person. */
export const createSchedule = /* @__PURE__ */ operation<'createSchedule'>('POST /api/schedules');

/** `GET /api/schedules/:id`: 404 `NOT_FOUND`. */
export const showSchedule = /* @__PURE__ */ operation<'showSchedule'>('GET /api/schedules/:id');

/** `PATCH /api/schedules/:id`. */
export const changeSchedule = /* @__PURE__ */ operation<'changeSchedule'>('PATCH /api/schedules/:id');

/** `DELETE /api/schedules/:id`: with its history; what it has sent goes on. */
export const deleteSchedule = /* @__PURE__ */ operation<'deleteSchedule'>('DELETE /api/schedules/:id');

/** `POST /api/schedules/:id/run`: 202; the history of runs says what came of it. */
export const runSchedule = /* @__PURE__ */ operation<'runSchedule'>('POST /api/schedules/:id/run');

/** `GET /api/schedules/:id/runs`: the last due first; 200 are kept. */
export const listScheduleRuns = /* @__PURE__ */ operation<'listScheduleRuns'>('GET /api/schedules/:id/runs');

/** `GET /api/hooks`: newest first. */
export const listHooks = /* @__PURE__ */ operation<'listHooks'>('GET /api/hooks');

/** `POST /api/hooks`: 201; 409 `CONFLICT` beyond 100 of a person. */
export const createHook = /* @__PURE__ */ operation<'createHook'>('POST /api/hooks');

/** `GET /api/hooks/:id`: 404 `NOT_FOUND`. */
export const showHook = /* @__PURE__ */ operation<'showHook'>('GET /api/hooks/:id');

/** `POST /api/hooks/:id`: 202; 401 for a wrong secret or address; 400 names the value that the template lacks; 409 while it is off. */
export const deliverHook = /* @__PURE__ */ operation<'deliverHook'>('POST /api/hooks/:id');

/** `PATCH /api/hooks/:id`. */
export const changeHook = /* @__PURE__ */ operation<'changeHook'>('PATCH /api/hooks/:id');

/** `POST /api/hooks/:id/rotate`: with another secret, which holds at once. */
export const rotateHook = /* @__PURE__ */ operation<'rotateHook'>('POST /api/hooks/:id/rotate');

/** `DELETE /api/hooks/:id`. */
export const deleteHook = /* @__PURE__ */ operation<'deleteHook'>('DELETE /api/hooks/:id');

/** `GET /api/webhooks`: newest first. */
export const listWebhooks = /* @__PURE__ */ operation<'listWebhooks'>('GET /api/webhooks');

/** `POST /api/webhooks`: 201; 409 `CONFLICT` beyond 20 of a person. */
export const createWebhook = /* @__PURE__ */ operation<'createWebhook'>('POST /api/webhooks');

/** `GET /api/webhooks/:id`: 404 `NOT_FOUND`. */
export const showWebhook = /* @__PURE__ */ operation<'showWebhook'>('GET /api/webhooks/:id');

/** `PATCH /api/webhooks/:id`. */
export const changeWebhook = /* @__PURE__ */ operation<'changeWebhook'>('PATCH /api/webhooks/:id');

/** `DELETE /api/webhooks/:id`: with its deliveries. */
export const deleteWebhook = /* @__PURE__ */ operation<'deleteWebhook'>('DELETE /api/webhooks/:id');

/** `POST /api/webhooks/:id/rotate`: the secret before is used for a day more. */
export const rotateWebhook = /* @__PURE__ */ operation<'rotateWebhook'>('POST /api/webhooks/:id/rotate');

/** `POST /api/webhooks/:id/test`: 202; 409 `CONFLICT` while it is disabled; it is tried once. */
export const testWebhook = /* @__PURE__ */ operation<'testWebhook'>('POST /api/webhooks/:id/test');

/** `GET /api/webhooks/:id/deliveries`: newest first; 500 are kept, for 7 days. */
export const listWebhookDeliveries = /* @__PURE__ */ operation<'listWebhookDeliveries'>(
  'GET /api/webhooks/:id/deliveries',
);

/** `POST /api/webhooks/:id/deliveries/:deliveryId/replay`: 202; it is sent again under the same id; 409 `CONFLICT` while the webhook is disabled. */
export const replayWebhookDelivery = /* @__PURE__ */ operation<'replayWebhookDelivery'>(
  'POST /api/webhooks/:id/deliveries/:deliveryId/replay',
);

/** `POST /v1/chat/completions`: with `stream` as events `data: {…}` of the object `chat.completion.chunk`, and `data: [DONE]`. */
export const completeChat = /* @__PURE__ */ operation<'completeChat'>('POST /v1/chat/completions');

/** `POST /v1/responses`: with `stream` as [events](#responses); with `background` before the turn has begun. */
export const createResponse = /* @__PURE__ */ operation<'createResponse'>('POST /v1/responses');

/** `GET /v1/responses/:id`: with `stream` as [events](#responses). */
export const showResponse = /* @__PURE__ */ operation<'showResponse'>('GET /v1/responses/:id');

/** `POST /v1/responses/:id/cancel`: of one that has ended as it is. */
export const cancelResponse = /* @__PURE__ */ operation<'cancelResponse'>('POST /v1/responses/:id/cancel');

/** `DELETE /v1/responses/:id`: with its conversation; 409 `CONFLICT` in a session, or where others follow or precede it. */
export const deleteResponse = /* @__PURE__ */ operation<'deleteResponse'>('DELETE /v1/responses/:id');

/** `GET /v1/models`: the CLI's own list. */
export const listModels = /* @__PURE__ */ operation<'listModels'>('GET /v1/models');

/** `GET /v1/models/capabilities`. */
export const listModelCapabilities = /* @__PURE__ */ operation<'listModelCapabilities'>('GET /v1/models/capabilities');

/** `GET /v1/models/:id`: also by the name that an alias stands for. */
export const showModel = /* @__PURE__ */ operation<'showModel'>('GET /v1/models/:id');

/** `GET /v1/projects`: those with a session by last activity, then the other directories right below PROJECT_ROOTS by path. */
export const listProjects = /* @__PURE__ */ operation<'listProjects'>('GET /v1/projects');

/** `POST /v1/projects`: 201, or 200 when the directory exists. */
export const createProject = /* @__PURE__ */ operation<'createProject'>('POST /v1/projects');

/** `GET /v1/projects/:id`: 404 `PROJECT_NOT_FOUND`. */
export const showProject = /* @__PURE__ */ operation<'showProject'>('GET /v1/projects/:id');

/** `DELETE /v1/projects/:id`: purges the session of the directory; its files stay. */
export const forgetProject = /* @__PURE__ */ operation<'forgetProject'>('DELETE /v1/projects/:id');

/** `GET /v1/sessions`: by last activity, newest first. */
export const listOwnSessions = /* @__PURE__ */ operation<'listOwnSessions'>('GET /v1/sessions');

/** `POST /v1/sessions`: 201, or 200 when the directory had a session. */
export const openSession = /* @__PURE__ */ operation<'openSession'>('POST /v1/sessions');

/** `GET /v1/sessions/stats`: of all sessions that are there. */
export const showStats = /* @__PURE__ */ operation<'showStats'>('GET /v1/sessions/stats');

/** `GET /v1/sessions/:id`. */
export const showOwnSession = /* @__PURE__ */ operation<'showOwnSession'>('GET /v1/sessions/:id');

/** `DELETE /v1/sessions/:id`: closes it. */
export const endSession = /* @__PURE__ */ operation<'endSession'>('DELETE /v1/sessions/:id');

/** `GET /v1/mcp/servers`: as a running CLI reports them, or one that is started for it. */
export const listMcpServers = /* @__PURE__ */ operation<'listMcpServers'>('GET /v1/mcp/servers');

/** `GET /v1/mcp/servers/:id/tools`: 404 `NOT_FOUND` with field `id`. */
export const listMcpTools = /* @__PURE__ */ operation<'listMcpTools'>('GET /v1/mcp/servers/:id/tools');

/** `POST /v1/mcp/servers/:id/toggle`: the CLI remembers it for the directory. */
export const toggleMcpServer = /* @__PURE__ */ operation<'toggleMcpServer'>('POST /v1/mcp/servers/:id/toggle');

/** `POST /v1/mcp/servers/:id/reconnect`: `failed` when it cannot be connected to. */
export const reconnectMcpServer = /* @__PURE__ */ operation<'reconnectMcpServer'>('POST /v1/mcp/servers/:id/reconnect');

/** `POST /v1/mcp/servers/:id/login`. */
export const loginToMcpServer = /* @__PURE__ */ operation<'loginToMcpServer'>('POST /v1/mcp/servers/:id/login');

/** `POST /v1/mcp/servers/:id/login/callback`. */
export const finishMcpLogin = /* @__PURE__ */ operation<'finishMcpLogin'>('POST /v1/mcp/servers/:id/login/callback');

/** `GET /v1/sessions/:id/tools`: 409 `CONFLICT` while its CLI does not run. */
export const showSessionTools = /* @__PURE__ */ operation<'showSessionTools'>('GET /v1/sessions/:id/tools');

/** `POST /v1/sessions/:id/tools`: 409 `CONFLICT` while its CLI does not run. */
export const chooseSessionTools = /* @__PURE__ */ operation<'chooseSessionTools'>('POST /v1/sessions/:id/tools');

/** `POST /mcp`: the answer to a [message of MCP](#mcp), for a client that accepts `text/event-stream` as events; 202 without a body to a notification. */
export const callMcp = /* @__PURE__ */ operation<'callMcp'>('POST /mcp');
