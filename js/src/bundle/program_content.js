/** The plain TFLite content of a program, whatever the layout: size and hash verified. */

import { BundleError } from "../errors.js";
import { cutLevel } from "../sharing/cut_level.js";
import { sha256 } from "./sha256.js";

/**
 * Returns a function that reads programs of a bundle; the file that levels share is read once.
 *
 * @param {{ place: string, read(file: string, limit: number): Promise<Uint8Array> }} source
 * @param {import("./manifest.js").Bundle} bundle
 * @returns {(program: import("./manifest.js").Program) => Promise<Uint8Array>} It throws
 *   `BundleError` where a file is missing, or is not the one that the manifest describes.
 */
export function contentReader(source, bundle) {
  /** @type {Promise<Uint8Array> | null} */
  let shared = null;
  const whole = async ({ file, bytes, sha256: hash }) =>
    checked(await source.read(file, bytes), bytes, hash, `'${file}'`, source.place);
  const keptOnce = () => {
    shared ??= whole(bundle.shared).catch((error) => {
      shared = null; // a network may be back at the next call
      throw error;
    });
    return shared;
  };
  return async (program) => {
    const index = bundle.levels.indexOf(program);
    if (bundle.shared === null || index < 0) return whole(program);
    const content = await cutLevel(await keptOnce(), index, program.bytes, source.place);
    const name = `level u=${program.utilization} in '${program.file}'`;
    return checked(content, program.bytes, program.sha256, name, source.place);
  };
}

async function checked(content, bytes, hash, name, place) {
  if (content.length !== bytes) {
    const received = "another size; the file was cut off or replaced";
    throw new BundleError(place, `${bytes} bytes in ${name}`, received);
  }
  const digest = await sha256(content);
  if (digest !== hash) {
    const received = `${digest}; the file was changed or damaged`;
    throw new BundleError(place, `SHA-256 ${hash} of ${name}`, received);
  }
  return content;
}
