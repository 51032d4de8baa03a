/** How the CLI is told that nobody here can do what it asks. */

export interface Refused {
  requestId: string;
  /** The subtype of the control request. */
  subtype: string;
}

/**
 * The control response that refuses a request. Claude Code turns an error about an elicitation into the answer "cancel",
 * and the MCP server takes that for the person's. So an elicitation gets a result that the CLI accepts and its MCP client
 * does not: MCP knows no `null` among the values of a form. The server then hears a JSON-RPC error that quotes the reason.
 * "cancel" is what would be left with a client that does not check.
 */
export function refusalOf({ requestId, subtype }: Refused): object {
  const reason = `${subtype} is not supported here`;
  const answer =
    subtype === 'elicitation'
      ? { subtype: 'success', response: { action: 'cancel', content: { [reason]: null } } }
      : { subtype: 'error', error: reason };
  return { type: 'control_response', response: { request_id: requestId, ...answer } };
}
