/**
 * Pictures of digits as scikit-learn's were made: the ink fills the height of 32x32 dots, and a
 * pixel of 8x8 is the share of its 16 dots that are inked.
 */

const DOTS = 32;
const PIXELS = 8;
const PEN = 4; // dots

/**
 * @typedef {{ x: number, y: number }} Point
 * @typedef {{ data: Uint8Array, width: number, height: number }} Picture
 */

/**
 * The digit of some strokes, each with the same pen however large it was drawn.
 *
 * @param {Point[][]} strokes
 * @returns {Picture}
 */
export function digitOfStrokes(strokes) {
  const points = strokes.flat();
  const place = placer(
    Math.min(...points.map(({ x }) => x)),
    Math.max(...points.map(({ x }) => x)),
    Math.min(...points.map(({ y }) => y)),
    Math.max(...points.map(({ y }) => y)),
    PEN / 2,
  );
  const pen = board(DOTS, DOTS);
  Object.assign(pen, { lineWidth: PEN, lineCap: "round", lineJoin: "round" });
  for (const stroke of strokes) {
    pen.beginPath();
    for (const point of [stroke[0], ...stroke]) pen.lineTo(...place(point));
    pen.stroke();
  }
  return inPixels(inkOf(pen).map((ink) => (ink > 127 ? 255 : 0)));
}

/**
 * The digit of a photo: what is darker than its surroundings, or lighter where most is dark.
 *
 * @param {ImageBitmap} photo
 * @returns {Picture | null} Null where there is no ink.
 */
export function digitOfPhoto(photo) {
  const scale = 160 / Math.max(photo.width, photo.height);
  const [width, height] = [photo.width, photo.height].map((side) => Math.round(side * scale));
  const pen = board(width, height);
  pen.drawImage(photo, 0, 0, width, height);
  const ink = sharpened(inkOf(pen), width, height);
  const inked = [...ink.keys()].filter((i) => ink[i] > 0);
  if (inked.length === 0) return null;
  const columns = inked.map((i) => i % width).sort((a, b) => a - b);
  const rows = inked.map((i) => Math.floor(i / width)).sort((a, b) => a - b);
  // A speck is no digit: two of a hundred dots may lie outside on each side.
  const within = (sorted) => [0.02, 0.98].map((part) => sorted[Math.floor(part * sorted.length)]);
  const place = placer(...within(columns), ...within(rows), 1);
  const dots = Float32Array.from({ length: DOTS * DOTS }, (_, i) => {
    const { x, y } = place.back({ x: (i % DOTS) + 0.5, y: Math.floor(i / DOTS) + 0.5 });
    const isOutside = x < 0 || y < 0 || x >= width || y >= height;
    return isOutside ? 0 : ink[Math.floor(y) * width + Math.floor(x)];
  });
  return inPixels(dots);
}

/** Moves a box to the middle of the dots, as high as they are, or as wide where it is wider. */
function placer(left, right, top, bottom, border) {
  const scale = (DOTS - 2 * border) / Math.max(right - left, bottom - top, 1);
  const [x0, y0] = [(left + right) / 2, (top + bottom) / 2];
  const place = ({ x, y }) => [(x - x0) * scale + DOTS / 2, (y - y0) * scale + DOTS / 2];
  place.back = ({ x, y }) => ({ x: (x - DOTS / 2) / scale + x0, y: (y - DOTS / 2) / scale + y0 });
  return place;
}

function board(width, height) {
  const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "white";
  pen.fillRect(0, 0, width, height);
  return pen;
}

/** How dark each dot is, from 0 to 255. */
function inkOf(pen) {
  const { data } = pen.getImageData(0, 0, pen.canvas.width, pen.canvas.height);
  return Float32Array.from({ length: data.length / 4 }, (_, i) => {
    return 255 - (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3;
  });
}

/** Ink or none: what stands out from the mean by half of what the strongest dots do. */
function sharpened(ink, width, height) {
  const mean = ink.reduce((sum, one) => sum + one, 0) / (width * height);
  const sorted = ink.toSorted();
  const [light, dark] = [0.01, 0.99].map((part) => sorted[Math.floor(part * sorted.length)]);
  const isDarkOnLight = dark - mean >= mean - light;
  const most = isDarkOnLight ? dark - mean : mean - light;
  if (most < 20) return ink.map(() => 0);
  return ink.map((one) => ((isDarkOnLight ? one - mean : mean - one) > most / 2 ? 255 : 0));
}

function inPixels(ink) {
  const side = DOTS / PIXELS;
  const data = new Uint8Array(PIXELS * PIXELS);
  const sums = new Float32Array(PIXELS * PIXELS);
  ink.forEach((one, i) => {
    const [row, column] = [Math.floor(i / DOTS / side), Math.floor((i % DOTS) / side)];
    sums[row * PIXELS + column] += one;
  });
  sums.forEach((sum, i) => (data[i] = Math.round(sum / side ** 2)));
  return { data, width: PIXELS, height: PIXELS };
}
