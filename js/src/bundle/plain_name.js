/** Names of files that stay in the folder of their bundle, on any system. */

import { BundleError } from "../errors.js";

const DISTRUST = "Do not use this bundle unless you know who wrote it; convert the model again.";

/**
 * Returns a name after checking that it has no folder, drive or stream in it.
 *
 * @param {string} name
 * @param {string} place Where the bundle is, for the error.
 * @returns {string}
 */
export function plainName(name, place) {
  if (["", ".", ".."].includes(name) || /[/\\:\0]/.test(name)) {
    const received = `'${name}', which leaves the folder`;
    throw new BundleError(place, "the name of a file in this folder", received, DISTRUST);
  }
  return name;
}
