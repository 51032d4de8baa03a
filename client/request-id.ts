/** 128 random bits. `crypto.randomUUID` requires a secure context, which a console in a home network is not. */
export const newRequestId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
