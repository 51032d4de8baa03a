/** The public entry `claude-companion/client`: that of browsers, and what only Node can do. */
export * from './browser.js';
export { createFileCursorStore } from './file-cursor-store.js';
export { createCompanionClient } from './node-client.js';
