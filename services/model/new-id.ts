import { customAlphabet } from 'nanoid';

/** Without `-`, which a command would take for an option where an id begins with it. */
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 125 random bits. */
const LENGTH = 21;

/** A new id of something that people name in commands and addresses. */
export const newId: () => string = customAlphabet(ALPHABET, LENGTH);
