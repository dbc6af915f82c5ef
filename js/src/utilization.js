/** The dial `u`: what a valid value is, and which level serves it. */

import { invalidValue } from "./errors.js";

// A float32 0.7 is 1.2e-8 below the float64 0.7 of a level, and still means that level.
export const ROUNDING = 1e-6;

/**
 * Tells whether a value is a number in (0, 1].
 *
 * @param {unknown} value
 * @returns {value is number}
 */
export function isUtilization(value) {
  return typeof value === "number" && value > 0 && value <= 1;
}

/**
 * Returns a utilization after checking it.
 *
 * @param {unknown} utilization
 * @returns {number}
 */
export function checkUtilization(utilization) {
  if (!isUtilization(utilization)) {
    throw invalidValue("utilization", "a number in (0, 1]", `utilization=${String(utilization)}`);
  }
  return utilization;
}

/**
 * Returns the index of the highest level that is not above `utilization`, else of the lowest.
 *
 * @param {number[]} utilizations Of the levels, rising.
 * @param {number} utilization In (0, 1].
 * @returns {number}
 */
export function levelIndex(utilizations, utilization) {
  return Math.max(0, utilizations.findLastIndex((level) => level <= utilization + ROUNDING));
}
