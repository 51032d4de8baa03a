/** The other end of `startWorker`: calls the handler of each request's type and sends back what it returns. */
export function answerRequests(handlers) {
  process.on('message', (request) => void answer(handlers, request));
  process.on('disconnect', () => process.exit());
}

async function answer(handlers, { id, type, ...request }) {
  try {
    process.send({ id, value: await handlers[type](request) });
  } catch (error) {
    process.send({ id, error: error.stack });
  }
}
