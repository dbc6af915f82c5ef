/** Pixels of a picture as the numbers that a network reads. */

/** @typedef {import("../bundle/manifest.js").Preprocessing} Preprocessing */

/**
 * Returns `scale * pixel + offset` in float32, with the channels in the network's order.
 *
 * @param {ArrayLike<number>} pixels From 0 to 255, of shape (height, width, channels); colours in
 *   the order red, green, blue.
 * @param {Preprocessing} steps What the bundle says of the input.
 * @returns {Float32Array}
 */
export function fromPixels(pixels, { scale, offset, colours }) {
  const channels = scale.length;
  const scales = Float32Array.from(scale);
  const offsets = Float32Array.from(offset);
  const numbers = new Float32Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) {
    const channel = i % channels;
    const place = colours === "BGR" ? i + channels - 1 - 2 * channel : i;
    numbers[i] = Math.fround(scales[channel] * pixels[place]) + offsets[channel];
  }
  return numbers;
}
