/**
 * LiteRT.js in Node. It asks for its script as a page or a worker of a browser would, and finds
 * here a worker's way to run one.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { compileFunction } from "node:vm";

import { loadRuntime } from "../dispatch/litert.js";

/** The folder `wasm/` of @litertjs/core. */
export const WASM = fileURLToPath(new URL("../wasm/", import.meta.resolve("@litertjs/core")));

/** @type {Promise<void> | null} */
let loading = null;

/**
 * Loads LiteRT.js if it is not loaded yet.
 *
 * @returns {Promise<void>}
 */
export function loadInNode() {
  loading ??= asInAWorker(() => loadRuntime(WASM.endsWith(sep) ? WASM : WASM + sep));
  return loading;
}

async function asInAWorker(load) {
  const before = { self: globalThis.self, importScripts: globalThis.importScripts };
  Object.assign(globalThis, { self: globalThis, importScripts: runScript });
  try {
    await load();
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete globalThis[name];
      else globalThis[name] = value;
    }
  }
}

function runScript(path) {
  const module = { exports: /** @type {any} */ ({}) };
  const names = ["module", "exports", "require", "__filename", "__dirname"];
  const script = compileFunction(readFileSync(path, "utf-8"), names, { filename: path });
  script(module, module.exports, createRequire(path), path, dirname(path));
  globalThis.ModuleFactory = module.exports;
}
