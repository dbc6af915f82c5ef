import { checkPositive } from "../errors.js";

/** The highest level whose measured latency fits into a budget. Nothing is fed back. */
export class LatencyBudget {
  needsTimes = true;

  /** @param {number} milliseconds What a call may take. Below the lowest level that runs. */
  constructor(milliseconds) {
    this.milliseconds = checkPositive("milliseconds", milliseconds);
  }

  choose(levels) {
    const fits = (level) => level.milliseconds <= this.milliseconds;
    const index = Math.max(0, levels.findLastIndex(fits));
    return { utilization: levels[index].utilization, reason: this.#reason(levels, index) };
  }

  #reason(levels, index) {
    const took = ({ milliseconds }) => `${milliseconds.toFixed(3)} ms`;
    const budget = `the budget of ${took(this)}`;
    const runs = `u=${levels[index].utilization} takes ${took(levels[index])}`;
    if (levels[index].milliseconds > this.milliseconds) {
      return `no level fits into ${budget}: ${runs}, and there is nothing smaller`;
    }
    const above = levels[index + 1];
    if (above === undefined) return `${runs} of ${budget}, and there is nothing larger`;
    return `${runs} of ${budget}, u=${above.utilization} would take ${took(above)}`;
  }
}
