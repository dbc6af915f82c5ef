/**
 * Pictures in the sides of an input, by the arithmetic of Pillow's bilinear filter, to the byte.
 *
 * Each pixel is a mean over those below a triangle as wide as the step from pixel to pixel, first
 * along rows and then along columns, in fixed point and with rounding in between.
 *
 * @typedef {{ data: Uint8Array | Uint8ClampedArray, width: number, height: number }} Picture Rows
 *   of 1 (grey), 3 (RGB) or 4 (RGBA) bytes a pixel: an `ImageData`, for example.
 */

const BITS = 22; // of the fraction of a weight

/**
 * @param {Uint8Array} pixels Of shape (height, width, channels).
 * @param {[number, number, number]} shape Height, width and channels.
 * @param {[number, number]} size Height and width of the result.
 * @param {"stretch" | "crop"} how The whole picture, or its middle with the sides of the result.
 * @returns {Uint8Array} Of shape (...size, channels).
 */
export function resize(pixels, [height, width, channels], [rows, columns], how) {
  const whole = { left: 0, top: 0, right: width, bottom: height };
  const box = how === "crop" ? middle(width, height, columns / rows) : whole;
  const across = weights(width, box.left, box.right, columns);
  const down = weights(height, box.top, box.bottom, rows);
  const isWide = columns !== width || box.left !== 0 || box.right !== width;
  const isHigh = rows !== height || box.top !== 0 || box.bottom !== height;
  const thin = isWide ? along(pixels, height, width, channels, across) : pixels;
  // Columns are rows of a picture whose pixels are whole rows.
  return isHigh ? along(thin, 1, height, columns * channels, down) : thin;
}

/** The largest part in the middle with the wanted ratio of width to height. */
function middle(width, height, ratio) {
  const own = width / height;
  const part = { width, height };
  if (own > ratio) part.width = ratio * height;
  if (own < ratio) part.height = width / ratio;
  const left = (width - part.width) * 0.5;
  const top = (height - part.height) * 0.5;
  const edges = { left, top, right: left + part.width, bottom: top + part.height };
  for (const edge of Object.keys(edges)) edges[edge] = Math.fround(edges[edge]);
  return edges;
}

/** For each pixel of the result the first one that it reads, and how much of each it takes. */
function weights(size, start, end, count) {
  const step = Math.fround(end - start) / count;
  const reach = Math.max(step, 1);
  return Array.from({ length: count }, (_, place) => {
    const center = start + (place + 0.5) * step;
    const first = Math.max(Math.trunc(center - reach + 0.5), 0);
    const last = Math.min(Math.trunc(center + reach + 0.5), size);
    const heights = Array.from({ length: last - first }, (_, i) =>
      Math.max(0, 1 - Math.abs((i + first - center + 0.5) * (1 / reach))),
    );
    const sum = heights.reduce((total, one) => total + one, 0);
    return { first, shares: heights.map((one) => Math.trunc(0.5 + (one / sum) * 2 ** BITS)) };
  });
}

/** Resizes the second of three axes. */
function along(pixels, height, width, channels, pieces) {
  const result = new Uint8Array(height * pieces.length * channels);
  let at = 0;
  for (let row = 0; row < height; row++) {
    for (const { first, shares } of pieces) {
      const begin = (row * width + first) * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 2 ** (BITS - 1); // may be above 2 ** 31: no shifts
        for (let i = 0; i < shares.length; i++) {
          sum += shares[i] * pixels[begin + i * channels + channel];
        }
        result[at++] = Math.min(Math.floor(sum / 2 ** BITS), 255);
      }
    }
  }
  return result;
}
