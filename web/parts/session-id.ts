import { createContext } from 'react';

/** Of the session whose conversation is shown around. */
export const SessionId = createContext('');
