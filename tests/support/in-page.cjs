/**
 * Runs in every page of the browser of the tests, before its own scripts: what a page can do to a daemon, and all that
 * it learns of the answer.
 */
globalThis.inPage = {
  /** Resolves with the first message of a WebSocket, or with the code that it was closed with before one. */
  socket: ({ url, protocols = [] }) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, protocols);
      socket.onmessage = ({ data }) => {
        resolve({ opened: true, protocol: socket.protocol, message: data });
        socket.close();
      };
      socket.onclose = ({ code, reason }) => resolve({ opened: false, code, reason });
    }),

  ask: async ({ url, init = {} }) => {
    try {
      const response = await fetch(url, init);
      const { type, status, headers } = response;
      return { type, status, headers: Object.fromEntries(headers), body: await response.text() };
    } catch (error) {
      return { failed: error.name };
    }
  },

  /** A form can send any text to anybody without asking. Resolves when its frame has loaded what came back. */
  submit: ({ url, text }) =>
    new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.name = 'answer';
      document.body.append(frame);
      const form = document.createElement('form');
      Object.assign(form, { method: 'post', action: url, enctype: 'text/plain', target: 'answer' });
      // Such a form sends `name=value`: the equals sign goes where JSON does not mind it.
      const field = document.createElement('input');
      field.name = text.replace(/\}$/, ',"x":"');
      field.value = '"}';
      form.append(field);
      document.body.append(form);
      frame.onload = () => {
        try {
          resolve({ readable: frame.contentDocument?.body?.textContent ?? null });
        } catch (error) {
          resolve({ failed: error.name });
        }
      };
      form.submit();
    }),

  beacon: ({ url, text }) => navigator.sendBeacon(url, new Blob([text], { type: 'text/plain' })),

  /** Whether a script of that address ran, as JSONP and old attacks on JSON do. */
  script: ({ url }) =>
    new Promise((resolve) => {
      const script = document.createElement('script');
      script.src = url;
      script.onload = () => resolve('loaded');
      script.onerror = () => resolve('refused');
      document.head.append(script);
    }),
};
