/** A bundle in a folder, in Node. */

import { Dispatcher } from "../dispatch/dispatcher.js";
import { fromFolder } from "./from_folder.js";
import { loadInNode, WASM } from "./litert_in_node.js";

export * from "../index.js";
export { fromFolder };

/**
 * Opens a bundle in a folder.
 *
 * @param {string} directory The folder that `tnn_tflite.convert` wrote.
 * @param {object} [options]
 * @param {import("../dispatch/dispatcher.js").Policy | null} [options.policy] As for
 *   `Dispatcher.open`.
 * @returns {Promise<Dispatcher>}
 */
export async function openFolder(directory, { policy = null } = {}) {
  await loadInNode();
  return Dispatcher.open(fromFolder(directory), { wasm: WASM, policy });
}
