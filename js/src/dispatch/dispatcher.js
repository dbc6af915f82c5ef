/**
 * The dial in a browser or in Node: one call, a utilization, and the level that serves it.
 *
 * @typedef {import("../bundle/manifest.js").Program} Program
 * @typedef {{ place: string, read(file: string, limit: number): Promise<Uint8Array> }} Source
 * @typedef {{ utilization: number, macs: number, parameters: number, bytes: number,
 *   milliseconds: number | null }} KnownLevel What a policy knows of a level.
 * @typedef {{ utilization: number, reason: string }} Choice
 * @typedef {{ needsTimes?: boolean, choose(levels: KnownLevel[]): Choice,
 *   goOn?(levels: KnownLevel[], answer: Answer): Choice | null,
 *   observe?(result: Result): void }} Policy
 * @typedef {{ outputs: Record<string, any>, level: Program, utilization: number }} Answer
 * @typedef {{ outputs: Record<string, any>, level: Program, utilization: number,
 *   levels: Program[], milliseconds: number, expectedMilliseconds: number | null, reason: string,
 *   isWarm: boolean, macs: number }} Result
 */

import { readManifest } from "../bundle/manifest.js";
import { invalidValue } from "../errors.js";
import { Fixed } from "../policies/fixed.js";
import { LatencyBudget } from "../policies/latency_budget.js";
import { checkUtilization, levelIndex } from "../utilization.js";
import { controllersChoice } from "./controller.js";
import { inputReader, zeros } from "./inputs.js";
import { checkTypes, loadRuntime } from "./litert.js";
import { median, millisecondsInTurn } from "./milliseconds.js";
import { Programs } from "./programs.js";

export class Dispatcher {
  #bundle;
  #programs;
  #readInputs;
  #policy;
  #milliseconds = /** @type {Promise<number[]> | null} */ (null);
  #last = /** @type {Promise<unknown>} */ (Promise.resolve());

  /** Use `Dispatcher.open`. */
  constructor(source, bundle, policy) {
    this.#bundle = bundle;
    this.#programs = new Programs(source, bundle);
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
   * Runs one sample at the highest level that is not above `utilization`, or that fits a budget.
   *
   * @param {any} x For an input of floats a Float32Array; a picture (`ImageData`, or its like) or
   *   the pixels, bytes, where the bundle says how they are scaled. For one of integers these, or
   *   the real numbers that they stand for. Several inputs come as an object by name. Not to be
   *   changed before the answer is there.
   * @param {object} [options]
   * @param {number} [options.utilization] How much of the network may run, in (0, 1].
   * @param {number} [options.budgetMs] What the call may take in milliseconds; the levels are
   *   measured first, once. With neither of them the policy chooses.
   * @returns {Promise<Result>} `outputs` has an array for each output by name, integers as they
   *   are: `dequantize` makes real numbers of them.
   * @throws {RangeError} If an argument is not valid.
   */
  run(x, { utilization, budgetMs } = {}) {
    // One at a time: the next call's time shall not be in this one's.
    const result = this.#last.then(() => this.#run(x, this.#policyFor(utilization, budgetMs)));
    this.#last = result.catch(() => {});
    return result;
  }

  /** Loads all levels and runs each once, so that no later call waits for a file. */
  async warmUp() {
    for (const level of this.levels) {
      await this.#programs.open(level); // before arrays are made as large as it says
      await this.run(zeros(this.inputs), { utilization: level.utilization });
    }
  }

  /** Gives the memory of all levels back. */
  async close() {
    await this.#last;
    await this.#programs.delete();
  }

  #policyFor(utilization, budgetMs) {
    if (budgetMs === undefined) return utilization === undefined ? this.#policy : new Fixed(utilization);
    if (utilization === undefined) return new LatencyBudget(budgetMs);
    const received = `utilization=${utilization}, budgetMs=${budgetMs}`;
    throw invalidValue("budgetMs", "either `utilization` or `budgetMs`", received);
  }

  async #run(x, policy) {
    const known = await this.#knownLevels(policy?.needsTimes ?? false); // not a part of the call
    const start = performance.now();
    const inputs = this.#readInputs(x);
    const choice = await this.#choose(policy, known, inputs);
    const ran = [];
    const reasons = [choice.reason];
    let index = this.#indexOf(choice);
    let isWarm = choice.isWarm ?? true;
    let outputs = choice.answer ?? null;
    while (outputs === null) {
      const level = this.levels[index];
      const found = await this.#programs.run(level, inputs);
      ran.push(index);
      isWarm &&= found.wasWarm;
      const answer = { outputs: found.outputs, level, utilization: level.utilization };
      const next = policy?.goOn?.(known, answer) ?? null;
      if (next === null) {
        outputs = found.outputs;
      } else {
        reasons.push(next.reason);
        index = higher(index, this.#indexOf(next), this.levels);
      }
    }
    const result = {
      outputs,
      level: this.levels[index],
      utilization: this.levels[index].utilization,
      levels: ran.map((one) => this.levels[one]),
      milliseconds: performance.now() - start,
      expectedMilliseconds:
        known[0].milliseconds && ran.reduce((sum, one) => sum + known[one].milliseconds, 0),
      reason: reasons.join("; "),
      isWarm,
      macs: ran.reduce((sum, one) => sum + this.levels[one].macs, choice.macs ?? 0),
    };
    if (policy !== null && policy === this.#policy) policy.observe?.(result);
    return result;
  }

  async #choose(policy, known, inputs) {
    if (policy !== null) return policy.choose(known);
    if (this.#bundle.controller === null) return new Fixed(1).choose();
    return controllersChoice(this.#programs, this.#bundle, inputs);
  }

  #indexOf({ utilization }) {
    const utilizations = this.levels.map((level) => level.utilization);
    return levelIndex(utilizations, checkUtilization(utilization));
  }

  async #knownLevels(needsTimes) {
    if (needsTimes) {
      this.#milliseconds ??= this.#measured().catch((error) => {
        this.#milliseconds = null; // a network may be back at the next call
        throw error;
      });
    }
    const times = await this.#milliseconds;
    return this.levels.map(({ utilization, macs, parameters, bytes }, i) => {
      return { utilization, macs, parameters, bytes, milliseconds: times?.[i] ?? null };
    });
  }

  async #measured() {
    for (const level of this.levels) await this.#programs.open(level);
    const inputs = this.#readInputs(zeros(this.inputs));
    const calls = this.levels.map((level) => () => this.#programs.run(level, inputs));
    for (const call of calls) await call();
    return (await millisecondsInTurn(calls)).map(median);
  }
}

function higher(index, next, levels) {
  if (next > index) return next;
  const name = (one) => `level u=${levels[one].utilization}`;
  const expected = `a policy that goes on from ${name(index)} to go to a higher level`;
  throw invalidValue("utilization", expected, name(next));
}
