/**
 * Returns what a zlib stream holds, which must be `size` bytes: never more are kept than that.
 *
 * @param {Uint8Array} stream
 * @param {number} size
 * @returns {Promise<Uint8Array>}
 */
export async function inflate(stream, size) {
  const content = new Uint8Array(size);
  const inflated = new Blob([stream]).stream().pipeThrough(new DecompressionStream("deflate"));
  let used = 0;
  try {
    for await (const chunk of chunksOf(inflated)) {
      if (used + chunk.length > size) throw new Error("more than promised");
      content.set(chunk, used);
      used += chunk.length;
    }
  } catch (error) {
    throw new Error(`a damaged stream (${error.message})`);
  }
  if (used !== size) throw new Error("a stream of another size than promised");
  return content;
}

/** Not every browser lets a stream be iterated over. */
async function* chunksOf(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {}); // of a stream that has failed the error is known
  }
}
