/** The SDK of MCP, loaded when the first client comes: it costs a daemon without one no time and no memory. */
export type McpSdk = Awaited<ReturnType<typeof load>>;

let loading: Promise<McpSdk> | undefined;

export async function loadSdk(): Promise<McpSdk> {
  loading ??= load();
  try {
    return await loading;
  } catch (error) {
    // The next client tries again.
    loading = undefined;
    throw error;
  }
}

async function load() {
  const [{ Server }, { WebStandardStreamableHTTPServerTransport: Transport }, types] = await Promise.all([
    import('@modelcontextprotocol/sdk/server/index.js'),
    import('@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'),
    import('@modelcontextprotocol/sdk/types.js'),
  ]);
  return { Server, Transport, ...types };
}
