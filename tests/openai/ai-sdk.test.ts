/** `/v1/chat/completions` with the provider for OpenAI-compatible APIs of the `ai` SDK, unmodified. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { beforeAll, expect, test } from '@jest/globals';
import { APICallError, generateText, streamText } from 'ai';
import { TOKEN } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const openShared = useSharedSession(world);
let model: ReturnType<ReturnType<typeof createOpenAICompatible>['chatModel']>;
let watcher: WireClient;
let sessionId: string;
let providerOptions: { companion: { session_id: string } };

beforeAll(async () => {
  const options = { name: 'companion', baseURL: `${world.daemon.url}/v1`, includeUsage: true };
  model = createOpenAICompatible({ ...options, apiKey: TOKEN }).chatModel('default');
  watcher = await world.connect();
  ({ sessionId } = await openShared(watcher));
  providerOptions = { companion: { session_id: sessionId } };
});

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

test('generates a text, alone and in a session', async () => {
  for (const more of [{}, { providerOptions }]) {
    const system = 'Be brief.';
    const { text, usage, finishReason } = await generateText({
      model,
      system,
      prompt: scenario({ text: 'Hello from Claude.' }),
      maxRetries: 0,
      ...more,
    });
    expect(text).toBe('Hello from Claude.');
    expect(finishReason).toBe('stop');
    expect(usage.totalTokens).toBeGreaterThan(0);
  }
});

test('streams a text with its usage', async () => {
  const prompt = scenario({ text: 'Piece by piece by piece.', chunk: 5 });
  const stream = streamText({ model, prompt, providerOptions, maxRetries: 0 });
  const pieces = [];
  for await (const piece of stream.textStream) pieces.push(piece);
  expect(pieces.join('')).toBe('Piece by piece by piece.');
  expect((await stream.usage).totalTokens).toBeGreaterThan(0);
  expect(await stream.finishReason).toBe('stop');
});

test('sends an image', async () => {
  const content = [
    { type: 'text' as const, text: scenario({ text: 'A pixel.' }) },
    { type: 'image' as const, image: PIXEL },
  ];
  const { text } = await generateText({
    model,
    messages: [{ role: 'user', content }],
    providerOptions,
    maxRetries: 0,
  });
  expect(text).toBe('A pixel.');
  expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain('"media_type":"image/png"');
});

test('knows an error by its message and code', async () => {
  const refused = generateText({ model, messages: [{ role: 'user', content: ' ' }], maxRetries: 0 });
  const error = await refused.catch((thrown: unknown) => thrown);
  expect(APICallError.isInstance(error)).toBe(true);
  expect(error).toMatchObject({ statusCode: 400, data: { error: { code: 'INVALID_REQUEST', param: 'messages' } } });
});

test('an abort of a stream interrupts the turn', async () => {
  const gate = 'abort-of-ai';
  const controller = new AbortController();
  const prompt = scenario({ text: 'Begun, and never ended.', chunk: 4, gateAfter: { deltas: 2, gate } });
  const stream = streamText({ model, prompt, providerOptions, maxRetries: 0, abortSignal: controller.signal });
  const parts = [];
  for await (const { type } of stream.fullStream) {
    parts.push(type);
    if (type === 'text-delta') controller.abort();
  }
  expect(parts).toContain('abort');
  const isInterrupted = ({ type, data }: { type: string; data: Record<string, unknown> }) =>
    type === 'streamComplete' && data.sessionId === sessionId && data.subtype === 'interrupted';
  expect((await watcher.waitFor(isInterrupted)).data.isError).toBe(true);
  world.api.release(gate);
});
