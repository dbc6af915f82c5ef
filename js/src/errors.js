/** The two ways in which something is wrong: a bundle, or what a caller hands over. */

const MAKE_AGAIN = "Copy the whole folder again, or convert the model again.";

/** A bundle that cannot be used: missing, half-written, too new, changed, unsafe, not supported. */
export class BundleError extends Error {
  /**
   * @param {string} place Where the bundle is.
   * @param {string} expected What a good bundle has there.
   * @param {unknown} received What this one has.
   * @param {string} [advice] What the reader can do about it.
   */
  constructor(place, expected, received, advice = MAKE_AGAIN) {
    super(`Invalid bundle '${place}'. Expected ${expected}. Received: ${received}. ${advice}`);
    this.name = "BundleError";
  }
}

/**
 * The error of an argument that is not valid.
 *
 * @param {string} name The argument.
 * @param {string} expected What it may be.
 * @param {unknown} received What it is.
 * @returns {RangeError}
 */
export function invalidValue(name, expected, received) {
  return new RangeError(`Invalid value for \`${name}\`. Expected ${expected}. Received: ${received}`);
}

/**
 * Returns a number after checking that it is finite and above 0.
 *
 * @param {string} name The argument.
 * @param {unknown} value
 * @returns {number}
 */
export function checkPositive(name, value) {
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw invalidValue(name, "a finite number above 0", String(value));
}
