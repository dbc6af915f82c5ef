/**
 * The SHA-256 of bytes, as 64 lower-case hexadecimal digits.
 *
 * Browsers have WebCrypto on pages of https and of localhost only.
 *
 * @param {Uint8Array} bytes
 * @returns {Promise<string>}
 */
export async function sha256(bytes) {
  if (globalThis.crypto?.subtle === undefined) {
    throw new Error("SHA-256 needs WebCrypto: serve the page by https, or from localhost.");
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
