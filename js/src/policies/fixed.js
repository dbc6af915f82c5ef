import { checkUtilization } from "../utilization.js";

/** Always the same utilization. */
export class Fixed {
  /** @param {number} utilization In (0, 1]. */
  constructor(utilization) {
    this.utilization = checkUtilization(utilization);
  }

  choose() {
    return { utilization: this.utilization, reason: `u=${this.utilization}, fixed by the caller` };
  }
}
