import type { UserMessage } from '../../ports/claude.js';

/**
 * A person's message in the CLI's input format, on one line. Base64 goes from the disk into the pipe without becoming a
 * string.
 */
export function userLine({ uuid, content }: UserMessage): Buffer {
  const parts: (string | Uint8Array)[] = [
    `{"type":"user","uuid":${JSON.stringify(uuid)},"session_id":"","parent_tool_use_id":null,`,
    '"message":{"role":"user","content":[',
  ];
  for (const [index, block] of content.entries()) {
    if (index > 0) parts.push(',');
    if (block.type === 'text') parts.push(JSON.stringify(block));
    else parts.push(`${imageHead(block.mediaType)}"`, block.data, '"}}');
  }
  parts.push(']}}\n');
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}

const imageHead = (mediaType: string): string =>
  `{"type":"image","source":{"type":"base64","media_type":${JSON.stringify(mediaType)},"data":`;
