/** The files of a bundle in a folder, opened without trusting their names. */

import { constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";

import { plainName } from "../bundle/plain_name.js";
import { BundleError } from "../errors.js";

/**
 * @param {string} directory The bundle's folder.
 * @returns {import("../dispatch/dispatcher.js").Source}
 */
export function fromFolder(directory) {
  return {
    place: directory,
    async read(file, limit) {
      const name = plainName(file, directory);
      try {
        return await readInside(directory, name, limit + 1);
      } catch (error) {
        if (error instanceof BundleError) throw error;
        throw new BundleError(directory, `a readable file '${name}'`, error.message);
      }
    },
  };
}

async function readInside(directory, name, most) {
  const inside = await realpath(directory);
  const path = await realpath(join(inside, name));
  if (dirname(path) !== inside) {
    throw new BundleError(directory, "the name of a file in this folder", `'${name}', a link out`);
  }
  // Links were followed: a link, or a pipe to wait at for ever, was put in place since.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  const handle = await open(path, flags);
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new Error("no regular file");
    const content = new Uint8Array(Math.min(found.size, most));
    let size = 0;
    while (size < content.length) {
      const { bytesRead } = await handle.read(content, size, content.length - size, size);
      if (bytesRead === 0) break;
      size += bytesRead;
    }
    return content.subarray(0, size);
  } finally {
    await handle.close();
  }
}
