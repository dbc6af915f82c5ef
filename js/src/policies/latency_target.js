/** A closed loop that keeps the latency below a target while the load of the device changes. */

import { checkPositive, invalidValue } from "../errors.js";
import { Slowdown } from "./slowdown.js";

const REGRET = 1.5; // waiting times; an up-switch that is undone within so many was a mistake
const LONGEST_PATIENCE = 32; // waiting times

/**
 * The highest level whose mean latency stays below a target, on the device as it is now.
 *
 * With s the slowdown of recent calls and t_k what was measured of level k:
 *
 * - down to the highest k with s t_k <= target, when the running level has s t_i > target;
 * - up to the highest k with s t_k <= (1 - hysteresis) target, when there is one above;
 * - never two switches within `dwellSeconds`. After an up-switch that had to be undone at once,
 *   the wait for the next one doubles.
 */
export class LatencyTarget {
  needsTimes = true;
  #slowdown;
  #latestSeconds;
  #clock;
  #index = /** @type {number | null} */ (null); // null until the first choice
  #switchedAt = 0;
  #wentUp = false;
  #patience = 1; // waiting times before the next up-switch

  /**
   * @param {number} milliseconds The target for a call.
   * @param {object} [options]
   * @param {number} [options.hysteresis] Share of the target that a higher level must leave free.
   * @param {number} [options.dwellSeconds] Least time between two switches.
   * @param {number} [options.windowSeconds] Calls of so many seconds are averaged.
   * @param {() => number} [options.clock] Gives the time in seconds.
   */
  constructor(
    milliseconds,
    {
      hysteresis = 0.1,
      dwellSeconds = 1,
      windowSeconds = 1,
      clock = () => performance.now() / 1000,
    } = {},
  ) {
    if (!(hysteresis >= 0 && hysteresis < 1)) {
      throw invalidValue("hysteresis", "a share in [0, 1)", String(hysteresis));
    }
    if (!(windowSeconds > 0 && windowSeconds <= dwellSeconds)) {
      const received = `windowSeconds=${windowSeconds}, dwellSeconds=${dwellSeconds}`;
      throw invalidValue("windowSeconds", "0 < windowSeconds <= dwellSeconds", received);
    }
    this.milliseconds = checkPositive("milliseconds", milliseconds);
    this.hysteresis = hysteresis;
    this.dwellSeconds = dwellSeconds;
    this.#slowdown = new Slowdown(windowSeconds, clock);
    this.#latestSeconds = windowSeconds / 4;
    this.#clock = clock;
  }

  choose(levels) {
    if (this.#index === null) {
      this.#index = highest(levels, this.milliseconds);
      this.#switchedAt = this.#clock();
    } else {
      this.#switch(levels);
    }
    const level = levels[this.#index];
    return { utilization: level.utilization, reason: this.#reason(level, this.#slowdown.factor) };
  }

  observe(result) {
    if (result.isWarm) this.#slowdown.add(result.expectedMilliseconds, result.milliseconds);
  }

  #switch(levels) {
    const waited = (this.#clock() - this.#switchedAt) / this.dwellSeconds;
    if (waited < 1) return;
    let factor = this.#slowdown.factor;
    if (factor * levels[this.#index].milliseconds > this.milliseconds) {
      // The window still holds calls from before the load rose: its end shows the load.
      factor = Math.max(factor, this.#slowdown.factorOver(this.#latestSeconds));
      const lower = highest(levels.slice(0, this.#index), this.milliseconds / factor);
      if (lower < this.#index) {
        const isRegret = this.#wentUp && waited < REGRET;
        this.#patience = isRegret ? Math.min(2 * this.#patience, LONGEST_PATIENCE) : 1;
        this.#go(lower);
      }
    } else if (waited >= this.#patience) {
      const higher = highest(levels, ((1 - this.hysteresis) * this.milliseconds) / factor);
      if (higher > this.#index) this.#go(higher);
    }
  }

  #go(index) {
    this.#wentUp = index > this.#index;
    this.#index = index;
    this.#switchedAt = this.#clock();
  }

  #reason(level, factor) {
    const predicted = (factor * level.milliseconds).toFixed(3);
    return (
      `u=${level.utilization} is predicted to take ${predicted} ms, the target is ` +
      `${this.milliseconds.toFixed(3)} ms and the device ${factor.toFixed(2)} times as slow as ` +
      "its table"
    );
  }
}

/** The index of the highest level that fits as it was measured, 0 if none does. */
function highest(levels, milliseconds) {
  return Math.max(0, levels.findLastIndex((level) => level.milliseconds <= milliseconds));
}
