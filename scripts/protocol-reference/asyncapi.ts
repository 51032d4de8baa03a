/** The AsyncAPI document of the WebSocket, from the schemas of its frames. */
import * as z from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { CLIENT_FRAMES, type ClientFrameType } from '../../protocol/client-frames.js';
import { FRAME_COMMANDS } from '../../protocol/commands/frames.js';
import { EVENTS } from '../../protocol/events.js';
import { FRAME_EXAMPLES } from '../../protocol/examples.js';
import { envelopeSchema } from '../../protocol/parse-client-frame.js';
import { ANSWERS, FRAME_ANSWERS, POSITIONED, serverEnvelopeSchema } from '../../protocol/server-frames.js';
import { createSchemaParts, type SchemaParts } from './schema-parts.js';

type Json = Record<string, unknown>;

const ABOUT =
  'Frames are text messages of JSON. Exactly one frame answers a request, with its `requestId`, before all events that it causes. Events have `sessionId`, `seq` and `epoch` around their data, and are kept for a device until it acknowledges them.';

/** An AsyncAPI 3.0 document of all frames, from the side of the daemon. */
export function asyncApi(): Json {
  const parts = createSchemaParts();
  const received = Object.entries(CLIENT_FRAMES).map(([type, schema]) =>
    receivedMessage(type as ClientFrameType, schema, parts),
  );
  const sent = Object.entries({ ...ANSWERS, ...POSITIONED, ...EVENTS }).map(([type, schema]) =>
    sentMessage(type, schema, parts),
  );
  const messages = Object.fromEntries([...received, ...sent].map((message) => [message.key, message.message]));
  return {
    asyncapi: '3.0.0',
    info: { title: 'Claude Companion', version: packageJson.version, description: ABOUT, license: { name: 'MIT' } },
    defaultContentType: 'application/json',
    channels: {
      socket: {
        address: '/ws',
        description:
          'A credential is in the header `Authorization`, or in the query as `ticket`; `deviceId` names the device.',
        messages: Object.fromEntries(
          Object.keys(messages).map((key) => [key, { $ref: `#/components/messages/${key}` }]),
        ),
      },
    },
    operations: {
      ...Object.fromEntries(received.map(({ key, type }) => [type, operationOf(key, type as ClientFrameType)])),
      told: {
        action: 'send',
        channel: { $ref: '#/channels/socket' },
        summary: 'What the daemon sends by itself.',
        messages: Object.keys({ ...POSITIONED, ...EVENTS }).map((type) => ({
          $ref: `#/channels/socket/messages/${sentKey(type)}`,
        })),
      },
    },
    components: { messages, schemas: parts.components },
  };
}

const sentKey = (type: string): string => `${type}.sent`;

const ANSWERED: ReadonlyMap<string, string> = new Map(Object.entries(FRAME_ANSWERS));

function operationOf(key: string, type: ClientFrameType): Json {
  const answer = ANSWERED.get(type);
  const answers = answer === undefined ? [] : [answer, 'error'];
  const channel = { $ref: '#/channels/socket' };
  const reply = { channel, messages: answers.map((name) => ({ $ref: `#/channels/socket/messages/${sentKey(name)}` })) };
  return {
    action: 'receive',
    channel,
    'x-needs': FRAME_COMMANDS[type].needs,
    messages: [{ $ref: `#/channels/socket/messages/${key}` }],
    ...(answers.length > 0 && { reply }),
  };
}

interface Message {
  key: string;
  type: string;
  message: Json;
}

function receivedMessage(type: ClientFrameType, data: z.ZodType, parts: SchemaParts): Message {
  const example = FRAME_EXAMPLES[type];
  const payload = frameOf(type, envelopeSchema, parts.of(data));
  const message = { name: type, payload, ...(example !== undefined && { examples: [{ payload: example }] }) };
  return { key: type, type, message };
}

const sentMessage = (type: string, data: z.ZodType, parts: SchemaParts): Message => ({
  key: sentKey(type),
  type,
  message: { name: type, payload: frameOf(type, serverEnvelopeSchema, parts.of(data, 'output')) },
});

/** The envelope with this type and these data. */
function frameOf(type: string, envelope: z.ZodType, data: Json): Json {
  const {
    $schema: _,
    additionalProperties: __,
    ...json
  } = z.toJSONSchema(envelope, { io: 'input', unrepresentable: 'any' }) as Json;
  const properties = json.properties as Json;
  return { ...json, properties: { ...properties, type: { const: type }, data } };
}
