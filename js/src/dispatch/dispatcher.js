/**
 * The dial in a browser or in Node: one call, a utilization, and the level that serves it.
 *
 * @typedef {import("../bundle/manifest.js").Program} Program
 * @typedef {{ place: string, read(file: string, limit: number): Promise<Uint8Array> }} Source
 * @typedef {{ utilization: number, macs: number, parameters: number, bytes: number,
 *   milliseconds: number | null }} KnownLevel What a policy knows of a level.
 * @typedef {{ needsTimes?: boolean,
 *   choose(levels: KnownLevel[]): { utilization: number, reason: string },
 *   observe?(result: Result): void }} Policy
 * @typedef {{ outputs: Record<string, any>, level: Program, utilization: number,
 *   milliseconds: number, expectedMilliseconds: number | null, reason: string, isWarm: boolean,
 *   macs: number }} Result
 */

import { readManifest } from "../bundle/manifest.js";
import { contentReader } from "../bundle/program_content.js";
import { ANSWER, CHOICE } from "../bundle/roles.js";
import { invalidValue } from "../errors.js";
import { Fixed } from "../policies/fixed.js";
import { levelIndex } from "../utilization.js";
import { asInput, inputReader, zeros } from "./inputs.js";
import { checkTypes, loadRuntime } from "./litert.js";
import { median, millisecondsInTurn } from "./milliseconds.js";
import { Session } from "./session.js";

export class Dispatcher {
  #bundle;
  #readContent;
  #readInputs;
  #policy;
  #sessions = /** @type {Map<Program, Promise<Session>>} */ (new Map());
  #ran = /** @type {Set<Program>} */ (new Set());
  #milliseconds = /** @type {Promise<number[]> | null} */ (null);
  #last = /** @type {Promise<unknown>} */ (Promise.resolve());

  /** Use `Dispatcher.open`. */
  constructor(source, bundle, policy) {
    this.#bundle = bundle;
    this.#readContent = contentReader(source, bundle);
    this.#readInputs = inputReader(bundle);
    this.#policy = policy;
  }

  /**
   * Opens a bundle. A level is read, checked and compiled when it is first needed.
   *
   * @param {Source} source Where its files are: `fromUrl(...)`, or in Node `fromFolder(...)`.
   * @param {{ wasm: string | URL, policy?: Policy | null }} options `wasm`: the folder of that name
   *   in @litertjs/core. `policy`: chooses the level of calls that name no utilization; null leaves
   *   them to the bundle's controller, and where there is none runs them at u = 1.
   * @returns {Promise<Dispatcher>}
   */
  static async open(source, { wasm, policy = null }) {
    const bundle = await readManifest(source);
    for (const program of bundle.programs) checkTypes(program, bundle.place);
    await loadRuntime(wasm);
    return new Dispatcher(source, bundle, policy);
  }

  /** The levels, from the lowest utilization to the highest. */
  get levels() {
    return this.#bundle.levels;
  }

  /** What goes into each level. */
  get inputs() {
    return this.#bundle.inputs;
  }

  /** What comes out of each level. */
  get outputs() {
    return this.#bundle.outputs;
  }

  /** Bytes of all files of the bundle but the manifest. */
  get bytes() {
    const { programs, levels, shared } = this.#bundle;
    const own = shared ? programs.filter((program) => !levels.includes(program)) : programs;
    return own.reduce((sum, { bytes }) => sum + bytes, shared?.bytes ?? 0);
  }

  /** The names of the classes by the name of the output; empty where the bundle has none. */
  get labels() {
    return Object.fromEntries(this.#bundle.labels);
  }

  /**
   * Runs the highest level that is not above `utilization`, for one sample.
   *
   * @param {any} x For an input of floats a Float32Array; a picture (`ImageData`, or its like) or
   *   the pixels, bytes, where the bundle says how they are scaled. For one of integers these, or
   *   the real numbers that they stand for. Several inputs come as an object by name. Not to be
   *   changed before the answer is there.
   * @param {object} [options]
   * @param {number} [options.utilization] How much of the network may run, in (0, 1]. Left out,
   *   the policy chooses.
   * @returns {Promise<Result>} `outputs` has an array for each output by name, integers as they
   *   are: `dequantize` makes real numbers of them.
   * @throws {RangeError} If an argument is not valid.
   */
  run(x, { utilization } = {}) {
    // One at a time: the next call's time shall not be in this one's.
    const result = this.#last.then(() => this.#run(x, utilization));
    this.#last = result.catch(() => {});
    return result;
  }

  /** Loads all levels and runs each once, so that no later call waits for a file. */
  async warmUp() {
    for (const { utilization } of this.levels) {
      await this.run(zeros(this.inputs), { utilization });
    }
  }

  /** Gives the memory of all levels back. */
  async close() {
    await this.#last;
    const sessions = await Promise.allSettled(this.#sessions.values());
    sessions.forEach(({ value }) => value?.delete());
    this.#sessions.clear();
    this.#ran.clear();
  }

  async #run(x, utilization) {
    const policy = utilization === undefined ? this.#policy : new Fixed(utilization);
    const known = await this.#knownLevels(policy?.needsTimes ?? false); // not a part of the call
    const start = performance.now();
    const inputs = this.#readInputs(x);
    const { index, reason, answer, macs, isWarm } = await this.#choose(policy, known, inputs);
    const level = this.levels[index];
    const found = answer === null ? await this.#answer(level, inputs) : { outputs: answer };
    const result = {
      outputs: found.outputs,
      level,
      utilization: level.utilization,
      milliseconds: performance.now() - start,
      expectedMilliseconds: known[index].milliseconds,
      reason,
      isWarm: isWarm && (found.wasWarm ?? true),
      macs: macs + (answer === null ? level.macs : 0),
    };
    if (policy !== null && policy === this.#policy) policy.observe?.(result);
    return result;
  }

  async #choose(policy, known, inputs) {
    const controller = this.#bundle.controller;
    if (policy === null && controller !== null) return this.#choiceOf(controller, inputs);
    const choice = (policy ?? new Fixed(1)).choose(known);
    if (choice instanceof Promise) {
      throw invalidValue("policy", "a choice from `choose` at once", "a promise");
    }
    const utilizations = this.levels.map((level) => level.utilization);
    const index = levelIndex(utilizations, new Fixed(choice.utilization).utilization);
    return { index, reason: choice.reason, answer: null, macs: 0, isWarm: true };
  }

  /** Of equal levels the lower one; a controller that answers, too, has the lowest one's answer. */
  async #choiceOf(controller, inputs) {
    const { outputs, wasWarm } = await this.#answer(controller, inputs);
    const index = outputs[CHOICE].reduce((best, one, i, all) => (one > all[best] ? i : best), 0);
    const hasAnswer = index === 0 && ANSWER in outputs;
    return {
      index,
      reason: `the controller chose u=${this.levels[index].utilization}`,
      answer: hasAnswer ? { [this.outputs[0].name]: outputs[ANSWER] } : null,
      macs: controller.macs,
      isWarm: wasWarm,
    };
  }

  async #answer(program, inputs) {
    const session = await this.#session(program);
    const arrays = inputs.map((read, i) => asInput(read, program.inputs[i]));
    const wasWarm = this.#ran.has(program);
    const outputs = await session.run(arrays);
    this.#ran.add(program);
    return { outputs, wasWarm };
  }

  #session(program) {
    if (!this.#sessions.has(program)) {
      const opened = this.#readContent(program).then((content) =>
        Session.open(program, content, this.#bundle.place),
      );
      this.#sessions.set(program, opened);
      opened.catch(() => this.#sessions.delete(program)); // a network may be back next time
    }
    return this.#sessions.get(program);
  }

  async #knownLevels(needsTimes) {
    if (needsTimes) this.#milliseconds ??= this.#measured();
    const times = await this.#milliseconds;
    return this.levels.map(({ utilization, macs, parameters, bytes }, i) => {
      return { utilization, macs, parameters, bytes, milliseconds: times?.[i] ?? null };
    });
  }

  async #measured() {
    const inputs = this.#readInputs(zeros(this.inputs));
    const calls = this.levels.map((level) => () => this.#answer(level, inputs));
    for (const call of calls) await call();
    return (await millisecondsInTurn(calls)).map(median);
  }
}
