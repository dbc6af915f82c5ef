/** The programs of a bundle: each is read, checked and compiled when it is first needed. */

import { contentReader } from "../bundle/program_content.js";
import { asInput } from "./inputs.js";
import { Session } from "./session.js";

/** @typedef {import("../bundle/manifest.js").Program} Program */

export class Programs {
  #place;
  #read;
  #sessions = /** @type {Map<Program, Promise<Session>>} */ (new Map());
  #ran = /** @type {Set<Program>} */ (new Set());

  /**
   * @param {import("./dispatcher.js").Source} source
   * @param {import("../bundle/manifest.js").Bundle} bundle
   */
  constructor(source, bundle) {
    this.#place = bundle.place;
    this.#read = contentReader(source, bundle);
  }

  /**
   * Reads, checks and compiles a program, so that its shapes are known to be those of the manifest.
   *
   * @param {Program} program
   * @returns {Promise<Session>}
   */
  open(program) {
    if (!this.#sessions.has(program)) {
      const opened = this.#read(program).then((content) =>
        Session.open(program, content, this.#place),
      );
      this.#sessions.set(program, opened);
      opened.catch(() => this.#sessions.delete(program)); // a network may be back next time
    }
    return this.#sessions.get(program);
  }

  /**
   * Runs a program on one sample.
   *
   * @param {Program} program
   * @param {import("./inputs.js").Read[]} inputs
   * @returns {Promise<{ outputs: Record<string, any>, wasWarm: boolean }>} Its outputs by name, and
   *   whether it had run before.
   */
  async run(program, inputs) {
    const session = await this.open(program);
    const arrays = inputs.map((read, i) => asInput(read, program.inputs[i]));
    const wasWarm = this.#ran.has(program);
    const outputs = await session.run(arrays);
    this.#ran.add(program);
    return { outputs, wasWarm };
  }

  /** Gives the memory of all of them back. */
  async delete() {
    for (const opened of this.#sessions.values()) {
      await opened.then(
        (session) => session.delete(),
        () => {}, // it was never compiled
      );
    }
    this.#sessions.clear();
    this.#ran.clear();
  }
}
