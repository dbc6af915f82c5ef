/** The controller of a bundle: a network that reads an input and chooses the level for it. */

import { ANSWER, CHOICE } from "../bundle/roles.js";

/**
 * Runs the controller. It chooses the level that it gives the most to, of equal ones the lowest;
 * one that answers, too, has the answer of the lowest level.
 *
 * @param {import("./programs.js").Programs} programs
 * @param {import("../bundle/manifest.js").Bundle} bundle With a controller.
 * @param {import("./inputs.js").Read[]} inputs
 */
export async function controllersChoice(programs, { controller, levels, outputs }, inputs) {
  const { outputs: found, wasWarm } = await programs.run(controller, inputs);
  const index = found[CHOICE].reduce((best, one, i, all) => (one > all[best] ? i : best), 0);
  const hasAnswered = index === 0 && ANSWER in found;
  return {
    utilization: levels[index].utilization,
    reason: `the controller chose u=${levels[index].utilization}`,
    answer: hasAnswered ? { [outputs[0].name]: found[ANSWER] } : null,
    macs: controller.macs,
    isWarm: wasWarm,
  };
}
