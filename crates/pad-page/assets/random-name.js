// Names that nobody else has made up.

/** A name of so many random bytes. */
export const randomName = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
