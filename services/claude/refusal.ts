/** How the CLI learns that the daemon does not support a request. */

export interface Refused {
  requestId: string;
  /** The subtype of the control request. */
  subtype: string;
}

/**
 * The control response that refuses a request. Claude Code turns an error about an elicitation into the answer
 * "cancel", which the MCP server attributes to the person. So an elicitation gets a result that the CLI accepts and its
 * MCP client rejects: MCP allows no `null` among the values of a form. The server then receives a JSON-RPC error that
 * quotes the reason. "cancel" remains for a client that does not check.
 */
export function refusalOf({ requestId, subtype }: Refused): object {
  const reason = `${subtype} is not supported here`;
  const answer =
    subtype === 'elicitation'
      ? { subtype: 'success', response: { action: 'cancel', content: { [reason]: null } } }
      : { subtype: 'error', error: reason };
  return { type: 'control_response', response: { request_id: requestId, ...answer } };
}
