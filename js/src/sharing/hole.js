/**
 * A hole: an array of a level that the plan does not store, and where it comes from instead.
 *
 * An array of the source is sliced along each axis and may be multiplied by a factor for each
 * output channel:
 *
 *     level[a, b, ...] = whole[rows(a), columns(b), ...] * factor[a]
 *
 * @typedef {[start: number, count: number][]} Runs Indices of an axis that follow one another.
 * @typedef {{ dtype: string, shape: number[], bytes: number }} Factor
 * @typedef {{ at: number, dtype: string, shape: number[], source: "base" | "level" | "plan",
 *   offset: number, whole: number[], take: (Runs | null)[], factor: Factor | null,
 *   bytes: number, wholeBytes: number, dataBytes: number }} Hole
 */

import { DTYPES, FACTORS, sizeOf } from "./dtypes.js";

const SOURCES = ["base", "level", "plan"];
const COLUMNS = 7;
const LARGEST_RANK = 8;

/**
 * Reads the holes of a level, which stand in seven columns, and checks what needs no other sizes.
 *
 * @param {any} columns What JSON kept.
 * @returns {Hole[]} In the order of the level's file.
 * @throws {Error} If they are no holes.
 */
export function holesOf(columns) {
  listOf(columns, COLUMNS).forEach((column) => check(Array.isArray(column), "no columns"));
  const count = columns[0].length;
  check(columns.every((column) => column.length === count), "columns of different lengths");
  const holes = [];
  let end = 0;
  for (let i = 0; i < count; i++) {
    const hole = holeOf(end, ...columns.map((column) => column[i]));
    holes.push(hole);
    end = hole.at + hole.bytes;
  }
  return holes;
}

function holeOf(end, gap, dtype, shape, source, offset, sliced, factor) {
  shapeOf(shape);
  oneOf(dtype, Object.keys(DTYPES));
  const [whole, take] = sliced === null ? [shape, shape.map(() => null)] : listOf(sliced, 2);
  const hole = {
    at: end + countOf(gap),
    dtype,
    shape,
    source: oneOf(source, SOURCES),
    offset: countOf(offset),
    whole: shapeOf(whole),
    take: takeOf(take),
    factor: factor === null ? null : factorOf(...listOf(factor, 2)),
    bytes: sizeOf(dtype, shape),
    wholeBytes: sizeOf(dtype, whole),
    dataBytes: 0,
  };
  hole.dataBytes = source === "plan" ? hole.bytes : (hole.factor?.bytes ?? 0);
  checkHole(hole);
  return hole;
}

function checkHole({ dtype, shape, source, whole, take, factor }) {
  check(shape.length === whole.length && shape.length === take.length, "axes that do not agree");
  shape.forEach((size, axis) => {
    const runs = take[axis] ?? [[0, whole[axis]]];
    const taken = runs.reduce((sum, [, count]) => sum + count, 0);
    const last = Math.max(...runs.map(([start, count]) => start + count));
    check(taken === size && last <= whole[axis], `${taken} indices up to ${last} for ${size}`);
  });
  if (source === "plan") {
    const isPlain = factor === null && String(whole) === String(shape) && take.every((t) => !t);
    check(isPlain, "stored numbers that are sliced or multiplied");
  }
  if (factor !== null) {
    const fits = factor.shape.every((size, axis) => size === 1 || size === shape[axis]);
    const isKnown = FACTORS[dtype]?.includes(factor.dtype) ?? false;
    check(fits && factor.shape.length === shape.length && isKnown, "a factor that does not fit");
  }
}

function factorOf(dtype, shape) {
  oneOf(dtype, Object.keys(DTYPES));
  return { dtype, shape: shapeOf(shape), bytes: sizeOf(dtype, shape) };
}

function takeOf(value) {
  check(Array.isArray(value), "no list of index lists");
  for (const runs of value) {
    if (runs === null) continue;
    check(Array.isArray(runs) && runs.length > 0, "no list of runs");
    for (const run of runs) {
      listOf(run, 2).forEach(countOf);
      check(run[1] > 0, "an empty run");
    }
  }
  return value;
}

function shapeOf(value) {
  const isShape = Array.isArray(value) && value.length >= 1 && value.length <= LARGEST_RANK;
  check(isShape && value.every((size) => countOf(size) > 0), "no shape");
  return value;
}

function countOf(value) {
  check(Number.isInteger(value) && value >= 0 && value < 2 ** 48, "no count");
  return value;
}

function oneOf(value, values) {
  check(values.includes(value), `none of ${values.join(", ")}`);
  return value;
}

function listOf(value, length) {
  check(Array.isArray(value) && value.length === length, `no list of ${length}`);
  return value;
}

function check(isGood, message) {
  if (!isGood) throw new Error(message);
}
