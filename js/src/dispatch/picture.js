/** A picture of any kind as pixels in the sides and channels of an input. */

import { invalidValue } from "../errors.js";
import { resize } from "./resize.js";

/** @typedef {import("./resize.js").Picture} Picture */

/**
 * @param {unknown} value
 * @returns {value is Picture}
 */
export function isPicture(value) {
  const isBytes = value?.data instanceof Uint8Array || value?.data instanceof Uint8ClampedArray;
  return isBytes && Number.isInteger(value.width) && Number.isInteger(value.height);
}

/**
 * Returns the pixels that a network would be shown, as `keras-tnn run` makes them of a file.
 *
 * @param {Picture} picture
 * @param {number[]} shape Of the input: height, width and channels, 1 or 3.
 * @param {"stretch" | "crop"} how As the bundle says.
 * @returns {Uint8Array}
 */
export function pixelsOf({ data, width, height }, [rows, columns, channels], how) {
  const found = data.length / (width * height);
  if (width < 1 || height < 1 || ![1, 3, 4].includes(found)) {
    const expected = "a picture with 1, 3 or 4 bytes a pixel";
    throw invalidValue("x", expected, `${data.length} bytes for ${width} x ${height} pixels`);
  }
  const pixels = channels === 1 ? inGrey(data, found) : inColour(data, found);
  return resize(pixels, [height, width, channels], [rows, columns], how);
}

function inGrey(data, channels) {
  if (channels === 1) return Uint8Array.from(data);
  return Uint8Array.from({ length: data.length / channels }, (_, i) => {
    const [red, green, blue] = data.subarray(i * channels, i * channels + 3);
    return (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16; // as Pillow
  });
}

function inColour(data, channels) {
  if (channels === 3) return Uint8Array.from(data);
  const pixels = data.length / channels;
  return Uint8Array.from({ length: 3 * pixels }, (_, i) => {
    const [pixel, colour] = [Math.floor(i / 3), i % 3];
    return data[pixel * channels + (channels === 1 ? 0 : colour)];
  });
}
