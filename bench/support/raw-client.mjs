/** A WebSocket client over a bare TCP socket: a real handshake, and after it frames are walked over and no more. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { clientFrame, FrameWalker } from './frame-walker.mjs';

export const OPCODE = { text: 1, close: 8, ping: 9, pong: 10 };
const PONG = clientFrame('', OPCODE.pong);
/** Of engine.io 4 and socket.io 5: a ping and its answer, the opening of a transport, of a namespace. */
const ENGINE = { ping: '2'.charCodeAt(0), pong: clientFrame('3'), open: '0'.charCodeAt(0), join: clientFrame('40') };
const ENGINE_JOINED = '40{';
const READ_BYTES = 256 * 1024;
/** All sockets of this process read into the same memory: what is read is looked at before the next read. */
const memory = Buffer.allocUnsafeSlow(READ_BYTES);
/** Ports of one address do not suffice for ten thousand connections beside all others of a machine. */
const ADDRESSES = process.platform === 'linux' ? 16 : 1;

let opened = 0;

export class RawClient {
  /** Called with every text frame, after the handshakes. */
  onText = () => {};
  closed = false;
  #socket;
  #walker;
  #head = '';
  #isEngine;
  #stalled = false;

  /** Resolves when the upgrade was answered; frames of the server may have come by then. */
  static async open({ port, path, headers = {}, isEngine = false, onText }) {
    const client = new RawClient(isEngine);
    if (onText) client.onText = onText;
    await client.#open({ port, path, headers });
    return client;
  }

  constructor(isEngine) {
    this.#isEngine = isEngine;
    this.#walker = new FrameWalker((frame) => this.#take(frame));
  }

  /** When the request for the upgrade went out. */
  askedAt = 0;

  /** How much of each payload `onText` needs to see. */
  set wanted(bytes) {
    this.#walker.wanted = bytes;
  }

  send(frame) {
    this.#socket.write(clientFrame(JSON.stringify(frame)));
  }

  /** Reads nothing any more. */
  stall() {
    this.#stalled = true;
    this.#socket.pause();
  }

  destroy() {
    this.#socket.destroy();
  }

  #open({ port, path, headers }) {
    opened += 1;
    const localAddress = `127.0.0.${1 + (opened % ADDRESSES)}`;
    const request = {
      host: `127.0.0.1:${port}`,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
      ...headers,
    };
    const lines = Object.entries(request).map(([name, value]) => `${name}: ${value}\r\n`);
    return new Promise((resolve, reject) => {
      const callback = (count) => this.#read(memory.subarray(0, count), resolve, reject);
      const onread = { buffer: memory, callback };
      this.#socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true, onread });
      this.#socket.on('connect', () => {
        this.askedAt = Number(process.hrtime.bigint()) / 1e6;
        this.#socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
      });
      this.#socket.on('error', reject);
      this.#socket.on('close', () => {
        this.closed = true;
        reject(new Error('the server closed the connection'));
      });
    });
  }

  #read(bytes, onOpen, onRefused) {
    if (this.#head === undefined) {
      this.#walker.push(bytes);
      return !this.#stalled;
    }
    this.#head += bytes.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return true;
    const head = this.#head;
    this.#head = undefined;
    if (!head.startsWith('HTTP/1.1 101')) {
      onRefused(new Error(`the upgrade was answered ${head.slice(0, 300)}`));
      return false;
    }
    if (!this.#isEngine) onOpen();
    this.#onJoined = onOpen;
    if (head.length > end + 4) this.#walker.push(Buffer.from(head.slice(end + 4), 'latin1'));
    return true;
  }

  #onJoined = () => {};

  #take(frame) {
    if (frame.opcode === OPCODE.ping) this.#socket.write(PONG);
    else if (frame.opcode === OPCODE.close) this.closed = true;
    else if (this.#isEngine) this.#takeEngine(frame);
    else this.onText(frame);
  }

  #takeEngine(frame) {
    const { bytes, start, length } = frame;
    if (length === 1 && bytes[start] === ENGINE.ping) this.#socket.write(ENGINE.pong);
    else if (bytes[start] === ENGINE.open) this.#socket.write(ENGINE.join);
    else if (bytes.latin1Slice(start, start + 3) === ENGINE_JOINED) this.#onJoined();
    else this.onText(frame);
  }
}
