/** LiteRT.js, which computes: loaded once, as a page has room for one of it. */

import { loadLiteRt } from "@litertjs/core";

import { BundleError } from "../errors.js";

export const DTYPES = ["float32", "uint8", "int32"]; // those of its tensors, in 2.5.3

/** @type {Promise<unknown> | null} */
let loaded = null;

/**
 * Loads LiteRT.js if it is not loaded yet: one thread, on the processor.
 *
 * @param {string | URL} wasm The folder `wasm/` of @litertjs/core, which the page's server offers.
 * @returns {Promise<unknown>}
 */
export function loadRuntime(wasm) {
  loaded ??= loadLiteRt(String(wasm), { threads: false, jspi: false }).catch((error) => {
    loaded = null; // a network may be back at the next call
    throw error;
  });
  return loaded;
}

/**
 * Throws if LiteRT.js takes no tensors of a program's types.
 *
 * @param {import("../bundle/manifest.js").Program} program
 * @param {string} place Where the bundle is.
 */
export function checkTypes({ name, inputs, outputs }, place) {
  for (const tensor of [...inputs, ...outputs]) {
    if (DTYPES.includes(tensor.dtype)) continue;
    throw new BundleError(
      place,
      `tensors of ${DTYPES.join(", ")}, which LiteRT.js loads`,
      `${tensor.dtype} for '${tensor.name}' of '${name}'`,
      'Convert with inference_type="float32" or "uint8".',
    );
  }
}
