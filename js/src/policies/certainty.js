/** How sure a classifier is of an answer. */

const ROUNDING = 1 / 512; // of each probability, where they are int8

/**
 * Returns how sure a classifier is, by its probabilities: softmax(z / temperature) of the logits z.
 * Of scores that are probabilities already, in [0, 1] with the sum 1, z is the logarithm.
 *
 * @param {ArrayLike<number>} scores Logits or probabilities, at least two.
 * @param {"probability" | "margin"} measure The largest, or by how much it is above the next one.
 * @param {number} temperature Above 1 for a network that is too sure.
 * @returns {number} In [0, 1].
 */
export function certaintyOf(scores, measure = "probability", temperature = 1) {
  let z = Array.from(scores);
  const sum = z.reduce((total, one) => total + one, 0);
  const slack = 1e-3 + ROUNDING * z.length;
  if (Math.min(...z) >= 0 && Math.abs(sum - 1) <= slack) z = z.map(Math.log);
  const largest = Math.max(...z);
  const shares = z.map((one) => Math.exp((one - largest) / temperature)).sort((a, b) => b - a);
  const next = measure === "margin" ? shares[1] : 0;
  return (1 - next) / shares.reduce((total, one) => total + one, 0);
}
