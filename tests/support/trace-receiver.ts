/** A receiver of OTLP over HTTP on loopback, which keeps the spans that it gets, as protobuf or as JSON. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { waitUntil } from './wait-until.js';

export interface ReceivedSpan {
  name: string;
  traceId: string;
  spanId: string;
  /** Empty: the first of its trace. */
  parentSpanId: string;
  /** 2: of a server. */
  kind: number;
  /** Epoch milliseconds. */
  start: number;
  end: number;
  attributes: Record<string, unknown>;
  /** 2: an error. */
  status: number;
}

export interface ReceivedExport {
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  spans: ReceivedSpan[];
  resource: Record<string, unknown>;
}

export type ExportAnswer = 'hang' | { status: number; body: string | Buffer; type?: string };

export interface TraceReceiver {
  readonly url: string;
  readonly exports: ReceivedExport[];
  readonly spans: ReceivedSpan[];
  answer(how: (got: ReceivedExport) => ExportAnswer): void;
  /** All spans of a trace, once these have come. */
  trace(traceId: string, ...names: string[]): Promise<ReceivedSpan[]>;
  close(): Promise<void>;
}

const TAKEN: ExportAnswer = { status: 200, body: '' };

export async function startTraceReceiver(): Promise<TraceReceiver> {
  const exports: ReceivedExport[] = [];
  const sockets = new Set<Socket>();
  let how: (got: ReceivedExport) => ExportAnswer = () => TAKEN;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => {
      const body = Buffer.concat(chunks);
      const isJson = request.headers['content-type'] === 'application/json';
      const read = isJson ? readJson(JSON.parse(body.toString()) as JsonExport) : readProtobuf(body);
      const got = { path: String(request.url), headers: request.headers, body, ...read };
      exports.push(got);
      reply(response, how(got));
    });
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const spans = () => exports.flatMap((one) => one.spans);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exports,
    get spans() {
      return spans();
    },
    answer: (next) => {
      how = next;
    },
    trace: async (traceId, ...names) => {
      const found = () => spans().filter((span) => span.traceId === traceId);
      const missing = () => names.filter((name) => !found().some((span) => span.name === name));
      await waitUntil('all have come', () => missing().length === 0).catch((error: Error) => {
        throw new Error(`${error.message}; without ${missing().join(', ')}`);
      });
      return found();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function reply(response: ServerResponse, answer: ExportAnswer): void {
  if (answer === 'hang') return;
  response.writeHead(answer.status, { 'content-type': answer.type ?? 'application/x-protobuf' }).end(answer.body);
}

type Read = Pick<ReceivedExport, 'spans' | 'resource'>;

const NS_PER_MS = 1e6;

type JsonAttributes = { key: string; value: Record<string, unknown> }[];

interface JsonExport {
  resourceSpans: {
    resource: { attributes: JsonAttributes };
    scopeSpans: {
      spans: {
        name: string;
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        kind: number;
        startTimeUnixNano: string;
        endTimeUnixNano: string;
        attributes: JsonAttributes;
        status: { code?: number };
      }[];
    }[];
  }[];
}

/** https://github.com/open-telemetry/opentelemetry-proto/blob/main/docs/specification.md#json-protobuf-encoding */
function readJson({ resourceSpans }: JsonExport): Read {
  const valuesOf = (all: JsonAttributes) =>
    Object.fromEntries(all.map(({ key, value }) => [key, Object.values(value)[0]]));
  const spans = resourceSpans
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))
    .map(({ startTimeUnixNano, endTimeUnixNano, parentSpanId = '', attributes, status, ...span }) => ({
      ...span,
      parentSpanId,
      start: Number(startTimeUnixNano) / NS_PER_MS,
      end: Number(endTimeUnixNano) / NS_PER_MS,
      attributes: valuesOf(attributes),
      status: status.code ?? 0,
    }));
  return { spans, resource: valuesOf(resourceSpans[0]?.resource.attributes ?? []) };
}

/** The values of a protobuf message by the numbers of its fields. */
type Message = Map<number, (Buffer | number)[]>;

function readMessage(bytes: Buffer): Message {
  const message: Message = new Map();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const [field, type] = [Math.floor(key / 8), key % 8];
    const value = type === 0 ? varint() : take(type === 1 ? 8 : type === 5 ? 4 : varint());
    message.set(field, [...(message.get(field) ?? []), value]);
  }
  return message;
}

const messagesAt = (message: Message, field: number) =>
  (message.get(field) ?? []).map((value) => readMessage(value as Buffer));
const textAt = (message: Message, field: number, encoding: BufferEncoding = 'utf8') =>
  ((message.get(field)?.[0] as Buffer | undefined) ?? Buffer.alloc(0)).toString(encoding);
const numberAt = (message: Message, field: number) => Number(message.get(field)?.[0] ?? 0);
/** Nanoseconds are more than a number can hold. */
const timeAt = (message: Message, field: number) => {
  const [fixed = Buffer.alloc(8)] = (message.get(field) ?? []) as Buffer[];
  return Number(fixed.readBigUInt64LE() / 1000n) / 1000;
};

const attributesAt = (message: Message, field: number) =>
  Object.fromEntries(
    messagesAt(message, field).map((pair) => {
      const value = messagesAt(pair, 2)[0] ?? (new Map() as Message);
      const double = value.get(4)?.[0] as Buffer | undefined;
      const read = value.has(1)
        ? textAt(value, 1)
        : double
          ? double.readDoubleLE()
          : (value.get(2) ?? value.get(3))?.[0];
      return [textAt(pair, 1), read];
    }),
  );

/** https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto */
function readProtobuf(body: Buffer): Read {
  const all = messagesAt(readMessage(body), 1);
  const spans = all
    .flatMap((one) => messagesAt(one, 2).flatMap((scope) => messagesAt(scope, 2)))
    .map((span) => ({
      name: textAt(span, 5),
      traceId: textAt(span, 1, 'hex'),
      spanId: textAt(span, 2, 'hex'),
      parentSpanId: textAt(span, 4, 'hex'),
      kind: numberAt(span, 6),
      start: timeAt(span, 7),
      end: timeAt(span, 8),
      attributes: attributesAt(span, 9),
      status: numberAt(messagesAt(span, 15)[0] ?? new Map(), 3),
    }));
  const [resource] = all.flatMap((one) => messagesAt(one, 1));
  return { spans, resource: resource ? attributesAt(resource, 1) : {} };
}
