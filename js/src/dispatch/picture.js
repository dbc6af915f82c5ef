/** A picture of any kind as pixels in the sides and channels of an input. */

import { invalidValue } from "../errors.js";
import { resize } from "./resize.js";

/** @typedef {import("./resize.js").Picture} Picture */

/**
 * @param {any} value
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
  const grey = new Uint8Array(data.length / channels);
  for (let i = 0, at = 0; i < grey.length; i++, at += channels) {
    const sum = 19595 * data[at] + 38470 * data[at + 1] + 7471 * data[at + 2];
    grey[i] = (sum + 0x8000) >> 16; // as Pillow
  }
  return grey;
}

function inColour(data, channels) {
  if (channels === 3) return Uint8Array.from(data);
  const colours = new Uint8Array((3 * data.length) / channels);
  for (let i = 0; i < colours.length; i++) {
    const colour = channels === 1 ? 0 : i % 3;
    colours[i] = data[Math.floor(i / 3) * channels + colour];
  }
  return colours;
}
