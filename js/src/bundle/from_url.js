/** The files of a bundle on a server. */

import { BundleError } from "../errors.js";
import { plainName } from "./plain_name.js";

/**
 * @param {string | URL} url Of the bundle's folder; relative to the page.
 * @returns {import("../dispatch/dispatcher.js").Source}
 */
export function fromUrl(url) {
  const folder = new URL(url, globalThis.document?.baseURI);
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  const place = folder.href;
  return {
    place,
    async read(file, limit) {
      const response = await fetch(new URL(encodeURIComponent(plainName(file, place)), folder));
      if (!response.ok) {
        throw new BundleError(place, `a file '${file}'`, `status ${response.status}`);
      }
      return atMost(response, limit + 1);
    },
  };
}

/** The content, cut after `most` bytes: a huge file never fills the memory. */
async function atMost(response, most) {
  const reader = response.body.getReader();
  const chunks = [];
  let size = 0;
  while (size < most) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value.subarray(0, most - size));
    size += chunks.at(-1).length;
  }
  await reader.cancel();
  const content = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    content.set(chunk, at);
    at += chunk.length;
  }
  return content;
}
