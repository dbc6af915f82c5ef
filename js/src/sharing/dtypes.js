/** The types of arrays in a plan. All numbers are little-endian, as every machine with wasm is. */

/** @type {Record<string, { bytes: number, array: any }>} */
export const DTYPES = {
  int8: { bytes: 1, array: Int8Array },
  uint8: { bytes: 1, array: Uint8Array },
  int16: { bytes: 2, array: Int16Array },
  float16: { bytes: 2, array: Uint16Array }, // its bits: see `halfToNumber`
  int32: { bytes: 4, array: Int32Array },
  float32: { bytes: 4, array: Float32Array },
  int64: { bytes: 8, array: BigInt64Array },
};

/** The types of factors that arrays of each type may have. */
export const FACTORS = { int8: ["int8"], float32: ["float32", "float16"] };

/** @param {number[]} shape @returns {number} */
export function product(shape) {
  return shape.reduce((size, axis) => size * axis, 1);
}

/** @param {string} dtype @param {number[]} shape @returns {number} */
export function sizeOf(dtype, shape) {
  return product(shape) * DTYPES[dtype].bytes;
}

/**
 * The number that 16 bits stand for.
 *
 * @param {number} bits
 * @returns {number}
 */
export function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}
