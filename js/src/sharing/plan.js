/**
 * The plan behind the base of a shared file, by which each level is cut: read and checked.
 *
 *     base      a complete TFLite file
 *     plan      one zlib stream: sizes, headers, literals and data of all levels
 *     footer    size of the base, size of the plan when inflated (two uint64), number of levels
 *               (uint32), "TNN1"
 *
 * @typedef {{ holes: import("./hole.js").Hole[], literal: Uint8Array, data: Uint8Array }} Entry
 */

import { holesOf } from "./hole.js";
import { inflate } from "./inflate.js";
import { pick } from "./interleaved.js";

const MAGIC = "TNN1";
const FOOTER = 24; // bytes
const SIZES = 12; // bytes for each level: of its header, its literal and its data
const LARGEST_HEADER = 8 * 1024 * 1024; // bytes
const LARGEST_PLAN = 64 * 1024 * 1024; // bytes beyond twice the base
const MOST_LEVELS = 1024;
const MOST_READ = 16; // bytes read for a level, over the size of the base

/**
 * Reads the plan of one level.
 *
 * @param {Uint8Array} file The shared file.
 * @param {number} index The level's place in the manifest.
 * @param {number} levelSize The size of the level's own file in bytes.
 * @returns {Promise<{ base: Uint8Array, entry: Entry | null }>} Null if the level is the base.
 * @throws {Error} If there is no plan, or it is not one that fits the file and the level.
 */
export async function readEntry(file, index, levelSize) {
  const { base, stream, planSize, count } = partsOf(file);
  check(index < count, `a plan of ${count} levels, asked for number ${index}`);
  const isBounded = planSize <= LARGEST_PLAN + 2 * base.length && count <= MOST_LEVELS;
  check(isBounded, `a plan of ${planSize} bytes for ${count} levels`);
  const entry = entryOf(await inflate(stream, planSize), count, index);
  if (entry !== null) checkPlaces(entry, base.length, levelSize);
  return { base, entry };
}

function partsOf(file) {
  const end = file.length - FOOTER;
  check(end >= 0, "a file without a plan");
  const footer = new DataView(file.buffer, file.byteOffset + end, FOOTER);
  const magic = new TextDecoder("latin1").decode(file.subarray(-MAGIC.length));
  const baseSize = Number(footer.getBigUint64(0, true));
  check(magic === MAGIC && baseSize <= end, "a file without a plan");
  return {
    base: file.subarray(0, baseSize),
    stream: file.subarray(baseSize, end),
    planSize: Number(footer.getBigUint64(8, true)),
    count: footer.getUint32(16, true),
  };
}

function entryOf(plan, count, index) {
  const start = count * SIZES;
  check(plan.length >= start, "a plan without sizes");
  const view = new DataView(plan.buffer, plan.byteOffset, start);
  const [headers, literals, data] = [0, 4, 8].map((part) =>
    Array.from({ length: count }, (_, level) => view.getUint32(level * SIZES + part, true)),
  );
  const literalsAt = start + sum(headers);
  const dataAt = literalsAt + sum(literals);
  check(dataAt + sum(data) === plan.length, "sizes that do not add up to the plan");
  if (headers[index] === 0) return null;
  check(headers[index] <= LARGEST_HEADER, `a header of ${headers[index]} bytes`);
  const header = part(plan.subarray(start), headers, index);
  return {
    holes: holesOf(JSON.parse(new TextDecoder().decode(header))),
    literal: pick(plan.subarray(literalsAt, dataAt), literals, index),
    data: part(plan.subarray(dataAt), data, index),
  };
}

/** Nothing is read or written outside of what is there, and nothing is left out. */
function checkPlaces({ holes, literal, data }, baseSize, levelSize) {
  let read = 0;
  for (const hole of holes) {
    if (hole.source === "base") {
      check(hole.offset + hole.wholeBytes <= baseSize, "a hole whose source does not fit");
      read += readBytes(hole);
    }
    if (hole.source === "level") {
      const other = holes[hole.offset] ?? hole;
      const fits = other.source !== "level" && other.bytes === hole.wholeBytes;
      check(fits, "a hole whose source does not fit");
    }
  }
  check(sum(holes.map((hole) => hole.dataBytes)) === data.length, "data that is not read");
  const filled = literal.length + sum(holes.map((hole) => hole.bytes));
  const last = holes.at(-1);
  const ends = last === undefined || last.at + last.bytes <= levelSize;
  check(ends && filled === levelSize, "holes and literal that do not add up to the level");
  check(read <= MOST_READ * baseSize, "holes that read too much");
}

/** The bytes of the rows that a hole takes. */
function readBytes({ take, shape, whole, wholeBytes }) {
  return take[0] === null ? wholeBytes : (shape[0] * wholeBytes) / whole[0];
}

function part(content, sizes, index) {
  const start = sum(sizes.slice(0, index));
  return content.subarray(start, start + sizes[index]);
}

function sum(sizes) {
  return sizes.reduce((total, size) => total + size, 0);
}

function check(isGood, message) {
  if (!isGood) throw new Error(message);
}
