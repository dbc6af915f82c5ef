/** The hash by which a manifest vouches for itself, with zeros in its own place. */

import { BundleError } from "../errors.js";
import { sha256 } from "./sha256.js";

const KEY = "manifest_sha256";

/**
 * Throws if a manifest is not the one that was hashed. One without a hash was edited by hand.
 *
 * @param {Uint8Array} content The manifest's bytes as they are.
 * @param {import("./fields.js").Fields} fields
 */
export async function checkOwnHash(content, fields) {
  if (!fields.has(KEY)) return;
  const claimed = fields.sha256(KEY);
  const blank = Uint8Array.from(content);
  const at = new TextDecoder("latin1").decode(content).indexOf(claimed);
  if (at >= 0) blank.fill("0".charCodeAt(0), at, at + claimed.length);
  if ((await sha256(blank)) !== claimed) {
    throw new BundleError(
      fields.place,
      `a manifest with the hash that it names, ${claimed}`,
      "another hash; the manifest was changed or damaged",
    );
  }
}
