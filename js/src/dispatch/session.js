/** A program that LiteRT.js has compiled. */

import { loadAndCompile, Tensor } from "@litertjs/core";

import { BundleError } from "../errors.js";

/** @typedef {import("../bundle/manifest.js").Program} Program */

export class Session {
  #program;
  #model;

  /** Use `Session.open`. */
  constructor(program, model) {
    this.#program = program;
    this.#model = model;
  }

  /**
   * Compiles a program, and compares it with what the manifest says of it.
   *
   * @param {Program} program
   * @param {Uint8Array} content Its TFLite file.
   * @param {string} place Where the bundle is.
   * @returns {Promise<Session>}
   */
  static async open(program, content, place) {
    const model = await loadAndCompile(content, { accelerator: "wasm" }).catch((error) => {
      const expected = `a program that LiteRT.js can run for '${program.name}'`;
      const advice = "`keras-tnn lint BUNDLE --target=web` tells which operators it lacks.";
      throw new BundleError(place, expected, error.message ?? error, advice);
    });
    checkTensors(program.inputs, model.getInputDetails(), `inputs of '${program.name}'`, place);
    checkTensors(program.outputs, model.getOutputDetails(), `outputs of '${program.name}'`, place);
    return new Session(program, model);
  }

  /**
   * Runs one sample.
   *
   * @param {any[]} inputs An array for each input, in its type.
   * @returns {Promise<Record<string, any>>} An array for each output, by name.
   */
  async run(inputs) {
    const fed = Object.fromEntries(
      this.#program.inputs.map(({ name, shape }, i) => [name, new Tensor(inputs[i], [1, ...shape])]),
    );
    try {
      const found = await this.#model.run(fed);
      const outputs = Object.fromEntries(
        this.#program.outputs.map(({ name }) => [name, found[name].toTypedArray()]),
      );
      Object.values(found).forEach((tensor) => tensor.delete());
      return outputs;
    } finally {
      Object.values(fed).forEach((tensor) => tensor.delete()); // wasm has no garbage collector
    }
  }

  /** Gives its memory back. */
  delete() {
    this.#model.delete();
  }
}

function checkTensors(expected, found, what, place) {
  const shown = (tensors) => tensors.map(([name, dtype, shape]) => `${name} ${dtype} [${shape}]`);
  const promised = shown(expected.map((one) => [one.name, one.dtype, [1, ...one.shape]])).sort();
  const real = shown(found.map((one) => [one.name, one.dtype, Array.from(one.shape)])).sort();
  if (String(promised) !== String(real)) {
    throw new BundleError(place, `${what} ${promised.join("; ")}`, real.join("; "));
  }
}
