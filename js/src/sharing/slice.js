/**
 * Returns what a hole takes of an array, as bytes, row-major.
 *
 * @param {Uint8Array} whole The bytes of the array.
 * @param {number} width Bytes of an element.
 * @param {number[]} shape Of the array.
 * @param {(import("./hole.js").Runs | null)[]} take The indices along each axis, null for all.
 * @param {Uint8Array} target Where they go; exactly as large as what is taken.
 */
export function slice(whole, width, shape, take, target) {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((n, m) => n * m, width));
  const last = take.findLastIndex((runs) => runs !== null); // what lies inside is taken whole
  let used = 0;
  const copy = (start, end) => {
    target.set(whole.subarray(start, end), used);
    used += end - start;
  };
  const walk = (axis, at) => {
    for (const [start, count] of take[axis] ?? [[0, shape[axis]]]) {
      const begin = at + start * strides[axis];
      if (axis === last) copy(begin, begin + count * strides[axis]);
      else for (let i = 0; i < count; i++) walk(axis + 1, begin + i * strides[axis]);
    }
  };
  if (last < 0) copy(0, target.length);
  else walk(0, 0);
}
