/** A low level answers, and where it is not sure the next one does. */

import { dequantize } from "../quantized_values.js";
import { checkPositive, invalidValue } from "../errors.js";
import { checkUtilization, ROUNDING } from "../utilization.js";
import { certaintyOf } from "./certainty.js";

const MEASURES = ["probability", "margin"];

/** Runs a low level and keeps its answer if it is sure, else runs the next one. */
export class Escalate {
  /**
   * @param {(number | number[])[]} thresholds In [0, 1], one for each level but the last; or for
   *   each of them a list with one for each class, where the class with the largest score decides.
   * @param {object} [options]
   * @param {number[] | null} [options.levels] Utilizations that it climbs, rising; null for all.
   * @param {"probability" | "margin"} [options.measure] Of how sure an answer is.
   * @param {number} [options.temperature] The logits are divided by it.
   * @param {string | null} [options.output] The output with the scores, where there are several.
   */
  constructor(
    thresholds,
    { levels = null, measure = "probability", temperature = 1, output = null } = {},
  ) {
    this.thresholds = checkedThresholds(thresholds);
    this.levels = levels === null ? null : checkedLevels(levels);
    if (!MEASURES.includes(measure)) {
      throw invalidValue("measure", `one of ${MEASURES.join(", ")}`, measure);
    }
    this.measure = measure;
    this.temperature = checkPositive("temperature", temperature);
    this.output = output;
  }

  choose(levels) {
    const [utilization] = this.#climbed(levels);
    return { utilization, reason: `u=${utilization} first, higher where it is not sure` };
  }

  goOn(levels, { outputs, level, utilization }) {
    const climbed = this.#climbed(levels);
    const place = climbed.indexOf(utilization);
    if (place < 0 || place === climbed.length - 1) return null;
    const scores = this.#scores(outputs, level);
    const threshold = this.#threshold(this.thresholds[place], scores);
    const isSure = certaintyOf(scores, this.measure, this.temperature) >= threshold; // NaN is not
    const reason = `u=${utilization} was not sure of 1 of 1`;
    return isSure ? null : { utilization: climbed[place + 1], reason };
  }

  #climbed(levels) {
    const known = levels.map((level) => level.utilization);
    const climbed = this.levels ?? known;
    if (this.thresholds.length !== climbed.length - 1) {
      const expected = `one for each level but the last, ${climbed.length - 1}`;
      throw invalidValue("thresholds", expected, this.thresholds.length);
    }
    return climbed.map((asked) => {
      const found = known.find((one) => Math.abs(one - asked) <= ROUNDING);
      if (found !== undefined) return found;
      throw invalidValue("levels", `levels of the bundle, ${known.join(", ")}`, climbed.join(", "));
    });
  }

  #scores(outputs, level) {
    const names = Object.keys(outputs);
    const name = names.length === 1 ? names[0] : this.output;
    const tensor = level.outputs.find((one) => one.name === name);
    if (tensor === undefined) throw invalidValue("output", `one of ${names.join(", ")}`, name);
    const { shape, dtype, quantization } = tensor;
    if (shape.length !== 1 || shape[0] < 2 || (dtype !== "float32" && quantization === null)) {
      const expected = "the scores of a classifier, of shape [classes]";
      throw invalidValue("output", expected, `${dtype} of shape [${shape}]`);
    }
    return quantization === null ? outputs[name] : dequantize(outputs[name], quantization);
  }

  #threshold(threshold, scores) {
    if (typeof threshold === "number") return threshold;
    if (threshold.length !== scores.length) {
      const expected = `one for each of the ${scores.length} classes`;
      throw invalidValue("thresholds", expected, threshold.length);
    }
    return threshold[scores.indexOf(Math.max(...scores))];
  }
}

function checkedThresholds(thresholds) {
  const rows = Array.isArray(thresholds) ? thresholds : [NaN];
  const sizes = new Set(rows.map((row) => (Array.isArray(row) ? row.length : -1)));
  if (sizes.size > 1 || !rows.flat().every((one) => one >= 0 && one <= 1)) {
    const expected = "numbers in [0, 1], one for each level but the last, or lists by class";
    throw invalidValue("thresholds", expected, JSON.stringify(thresholds));
  }
  return rows;
}

function checkedLevels(levels) {
  const rise = levels.every((one, i) => checkUtilization(one) > (levels[i - 1] ?? 0));
  if (levels.length > 0 && rise) return levels;
  throw invalidValue("levels", "utilizations that rise", levels.join(", "));
}
