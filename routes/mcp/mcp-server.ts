import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { CompanionError } from '../../protocol/error-codes.js';
import { errorBody, requestIdOf, toCompanionError } from '../http/http-errors.js';
import { callTool, toolList } from './call-tool.js';
import type { McpSdk } from './load-sdk.js';
import type { McpContext } from './mcp-context.js';
import { listTranscripts, readTranscript, TRANSCRIPT_TEMPLATE } from './transcripts.js';

const INSTRUCTIONS =
  'Claude Companion holds Claude sessions, one for each directory. Find or start a session, send it a prompt, and wait for its answer. list_waiting shows what waits for a person.';

/** A server for one message. */
export function createMcpServer(sdk: McpSdk, context: McpContext): Server {
  const { version } = context.services;
  const server = new sdk.Server(
    { name: 'claude-companion', title: 'Claude Companion', version },
    // Answers of clients are not asked for: the SDK's own validator would be built for each message.
    {
      capabilities: { tools: {}, resources: {} },
      instructions: INSTRUCTIONS,
      jsonSchemaValidator: NO_VALIDATOR,
    },
  );
  addTools(server, sdk, context);
  addResources(server, sdk, context);
  return server;
}

function addTools(server: Server, sdk: McpSdk, context: McpContext): void {
  server.setRequestHandler(sdk.ListToolsRequestSchema, () => ({ tools: toolList(context.principal) }));
  server.setRequestHandler(sdk.CallToolRequestSchema, async ({ params }, { sendNotification }) => {
    const { name, arguments: input, _meta: { progressToken } = {} } = params;
    let told = 0;
    const tell = (message: string) => {
      if (progressToken === undefined) return;
      told += 1;
      const progress = { progressToken, progress: told, message };
      // The client has gone: its prompt goes on without it.
      sendNotification({ method: 'notifications/progress', params: progress }).catch(() => {});
    };
    const result = await callTool(context, { name, input, ...(progressToken !== undefined && { tell }) });
    if (result) return result;
    throw new sdk.McpError(sdk.ErrorCode.InvalidParams, `There is no tool ${name}.`);
  });
}

function addResources(server: Server, sdk: McpSdk, context: McpContext): void {
  const orError = async <Result>(read: () => Result | Promise<Result>): Promise<Result> => {
    try {
      return await read();
    } catch (thrown) {
      const error = toCompanionError(thrown);
      const requestId = requestIdOf(context.response);
      if (error.code === 'INTERNAL_ERROR') {
        context.services.log.error('a resource failed', { requestId, error: String(thrown) });
      }
      throw new sdk.McpError(codeOf(sdk, error), error.message, errorBody(error, requestId).error);
    }
  };
  server.setRequestHandler(sdk.ListResourcesRequestSchema, ({ params }) =>
    orError(() => listTranscripts(context, params?.cursor)),
  );
  server.setRequestHandler(sdk.ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [TRANSCRIPT_TEMPLATE],
  }));
  server.setRequestHandler(sdk.ReadResourceRequestSchema, ({ params }) =>
    orError(() => readTranscript(context, params.uri)),
  );
}

/** As the specification says of resources that are not there. */
const NOT_FOUND = -32002;

function codeOf({ ErrorCode }: McpSdk, { code }: CompanionError): number {
  if (code === 'NOT_FOUND') return NOT_FOUND;
  return code === 'INTERNAL_ERROR' ? ErrorCode.InternalError : ErrorCode.InvalidParams;
}

const NO_VALIDATOR = {
  getValidator: () => {
    throw new Error('no client is asked for anything');
  },
};
