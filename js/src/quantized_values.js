/**
 * Between real numbers and the integers that stand for them in a level's inputs and outputs:
 *
 *     real = scale * (integer - zeroPoint)
 */

/** @typedef {import("./bundle/manifest.js").Quantization} Quantization */

const LIMITS = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};
const ARRAYS = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, int32: Int32Array };

/**
 * Returns the integers that stand for real numbers: the nearest, within range.
 *
 * @param {ArrayLike<number>} x Real numbers.
 * @param {Quantization} quantization Of an input of the level that will run.
 * @param {string} dtype The element type of that input.
 * @returns {Int8Array | Uint8Array | Int16Array | Int32Array}
 */
export function quantize(x, { scale, zeroPoint }, dtype) {
  const [lowest, highest] = LIMITS[dtype];
  const step = Math.fround(scale); // in float32 as in Python, so that ties are the same
  const integers = new ARRAYS[dtype](x.length);
  for (let i = 0; i < x.length; i++) {
    const integer = roundToEven(Math.fround(x[i] / step)) + zeroPoint;
    integers[i] = Math.min(Math.max(integer, lowest), highest);
  }
  return integers;
}

/**
 * Returns the real numbers that integers of a level's output stand for.
 *
 * @param {ArrayLike<number>} q Integers.
 * @param {Quantization} quantization Of an output of the level that ran.
 * @returns {Float32Array}
 */
export function dequantize(q, { scale, zeroPoint }) {
  const reals = new Float32Array(q.length);
  for (let i = 0; i < q.length; i++) reals[i] = scale * (q[i] - zeroPoint);
  return reals;
}

/** The nearest integer, of two the even one. */
function roundToEven(x) {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}
