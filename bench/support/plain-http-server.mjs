/** Express with one route and nothing else. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import express from 'express';
import { answerRequests } from './answer-requests.mjs';

let body;

answerRequests({
  listen: async () => {
    const app = express();
    app.disable('x-powered-by');
    app.get('/', (_request, response) => response.json(body));
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server.address().port;
  },
  answer: async (request) => {
    body = request.body;
  },
});
