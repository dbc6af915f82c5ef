/** Multiplies the bytes of an array by a factor, whose axes of size 1 are repeated. */

import { DTYPES, halfToNumber } from "./dtypes.js";

/**
 * @param {Uint8Array} target The bytes of the array, changed in place.
 * @param {string} dtype `"int8"`, which wraps around, or `"float32"`.
 * @param {number[]} shape Of the array.
 * @param {Uint8Array} numbers The bytes of the factor.
 * @param {import("./hole.js").Factor} factor
 */
export function multiply(target, dtype, shape, numbers, factor) {
  // Copies, as a level's arrays stand at any byte.
  const array = new DTYPES[dtype].array(target.slice().buffer);
  const stored = new DTYPES[factor.dtype].array(numbers.slice().buffer);
  const factors = factor.dtype === "float16" ? Array.from(stored, halfToNumber) : stored;
  const strides = stridesOf(factor.shape);
  const index = shape.map(() => 0);
  let at = 0; // of the factor
  for (let i = 0; i < array.length; i++) {
    array[i] *= factors[at];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  target.set(new Uint8Array(array.buffer));
}

/** How far it is to the next element along each axis; 0 along those that are repeated. */
function stridesOf(shape) {
  return shape.map((size, axis) =>
    size === 1 ? 0 : shape.slice(axis + 1).reduce((n, m) => n * m, 1),
  );
}
