/**
 * Holds connections to a daemon open without ever coming to the point, in a process of its own: so many of each kind
 * that it is told, and another one in the place of each that the daemon has cut. Told to `stop`, it waits until the
 * daemon has cut them all. It closes none itself.
 */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const [, , port, count, dripMs, ...kinds] = process.argv;

const PROBE_MS = 1000;
const AT_ONCE = 8000;
const HELLO = Buffer.from('16030100f8010000f40303', 'hex');

const write = (text) => (socket) => void socket.write(text);

const drip = (head) => (socket) => {
  socket.write(head);
  const timer = setInterval(() => socket.write('x'), Number(dripMs));
  socket.once('close', () => clearInterval(timer));
};

const body = (path, fields = '') =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n{`;

const KINDS = {
  silent: () => {},
  'half of an upgrade': write('GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Ver'),
  'a header that drips': drip('GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Long: '),
  'a body that drips, to log in with': drip(body('/api/auth/login')),
  'a body that drips, for nothing': drip(body('/api/sessions')),
  'a body that drips, from a host of others': drip(body('/').replace('localhost', 'evil.example')),
  'a body that drips, in a preflight': drip(
    body('/', 'Origin: http://localhost\r\nAccess-Control-Request-Method: GET\r\n').replace('POST', 'OPTIONS'),
  ),
  'asks and asks': drip('GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(AT_ONCE)),
  'half of a hello': write(HELLO),
  'a hello that drips': drip(HELLO),
};

/** Those that speak TLS first. */
const TLS_KINDS = {
  'silent behind a handshake': 'silent',
  'a header that drips behind a handshake': 'a header that drips',
};

let open = 0;
let rounds = 0;
let isStopping = false;
const cuts = Object.fromEntries(kinds.map((kind) => [kind, 0]));

function start(kind) {
  const inside = TLS_KINDS[kind];
  const socket = inside
    ? connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    : connect(port, '127.0.0.1');
  open += 1;
  // A connection that is cut with something on its way is reset.
  socket.on('error', () => {});
  socket.once(inside ? 'secureConnect' : 'connect', () => KINDS[inside ?? kind](socket));
  socket.resume();
  // Of a handshake that a busy system has lost the end of, this end alone exists, and would never hear otherwise.
  socket.setKeepAlive(true, PROBE_MS);
  socket.once('close', () => cut(kind));
}

function cut(kind) {
  open -= 1;
  cuts[kind] += 1;
  if (!isStopping) start(kind);
  const done = Math.floor(Math.min(...Object.values(cuts)) / count);
  if (done > rounds) process.send({ event: 'round', cuts });
  rounds = done;
  if (open === 0) process.send({ event: 'all cut', cuts });
}

process.on('message', () => {
  isStopping = true;
});
process.on('disconnect', () => process.exit());
for (let index = 0; index < count; index += 1) for (const kind of kinds) start(kind);
