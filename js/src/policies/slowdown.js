const LEAST_CALLS = 5;

/**
 * How much slower the device is now than when its levels were measured: the time of the recent
 * calls over the time that was measured for them.
 *
 * A quotient of sums and not a median: a short call on a busy core either runs undisturbed or
 * waits for a whole time slice, and browsers' clocks tick rarely. A mean sees both.
 */
export class Slowdown {
  #calls = /** @type {{ when: number, expected: number, taken: number }[]} */ ([]);
  #expected = 0;
  #taken = 0;

  /**
   * @param {number} windowSeconds What counts as recent. The last call always counts.
   * @param {() => number} clock Gives the time in seconds.
   */
  constructor(windowSeconds, clock) {
    this.windowSeconds = windowSeconds;
    this.clock = clock;
  }

  /** @param {number} expected Milliseconds that were measured. @param {number} taken Those now. */
  add(expected, taken) {
    const when = this.clock();
    this.#calls.push({ when, expected, taken });
    this.#expected += expected;
    this.#taken += taken;
    while (when - this.#calls[0].when > this.windowSeconds) {
      const old = this.#calls.shift();
      this.#expected -= old.expected;
      this.#taken -= old.taken;
    }
  }

  /** Above 1 if the device is slower than it was; 1 before the first call. */
  get factor() {
    return this.#calls.length > 0 ? this.#taken / this.#expected : 1;
  }

  /** The factor over the last calls only, or `factor` if they are too few to tell. */
  factorOver(seconds) {
    const since = this.clock() - seconds;
    const latest = this.#calls.slice(this.#calls.findLastIndex((call) => call.when <= since) + 1);
    if (latest.length < LEAST_CALLS) return this.factor;
    const sum = (key) => latest.reduce((total, call) => total + call[key], 0);
    return sum("taken") / sum("expected");
  }
}
