/**
 * Returns the bytes of numbers that are stored as byte planes: all first bytes, then all second.
 *
 * @param {Uint8Array} planes
 * @param {number} width Bytes of a number.
 * @returns {Uint8Array}
 */
export function fromPlanes(planes, width) {
  const count = planes.length / width;
  const numbers = new Uint8Array(planes.length);
  for (let plane = 0; plane < width; plane++) {
    for (let i = 0; i < count; i++) numbers[i * width + plane] = planes[plane * count + i];
  }
  return numbers;
}
