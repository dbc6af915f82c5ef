/** Arrays of bytes that are alike, piece by piece in turn, so that a compressor finds what repeats. */

const PIECE = 4096; // bytes, at most

/**
 * Returns one array out of those that were interleaved.
 *
 * @param {Uint8Array} content All of them.
 * @param {number[]} sizes Of all arrays.
 * @param {number} index Which one.
 * @returns {Uint8Array}
 */
export function pick(content, sizes, index) {
  const own = new Uint8Array(sizes[index]);
  const pieces = Math.ceil(Math.max(...sizes) / PIECE);
  let at = 0;
  for (let piece = 0; piece < pieces; piece++) {
    sizes.forEach((size, array) => {
      const start = Math.floor((piece * size) / pieces);
      const end = Math.floor(((piece + 1) * size) / pieces);
      if (array === index) own.set(content.subarray(at, at + end - start), start);
      at += end - start;
    });
  }
  return own;
}
