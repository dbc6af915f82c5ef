/** Cutting a level out of a shared file: what a device does when it first needs the level. */

import { BundleError } from "../errors.js";
import { fromPlanes } from "./byte_planes.js";
import { DTYPES } from "./dtypes.js";
import { multiply } from "./multiply.js";
import { readEntry } from "./plan.js";
import { slice } from "./slice.js";

/**
 * Returns a level's own TFLite file. That it is the right one is told by its hash alone.
 *
 * @param {Uint8Array} file The shared file.
 * @param {number} index The level's place in the manifest.
 * @param {number} size The size of the level's own file in bytes.
 * @param {string} place Where the bundle is, for errors.
 * @returns {Promise<Uint8Array>}
 * @throws {BundleError} If the file has no plan for such a level.
 */
export async function cutLevel(file, index, size, place) {
  try {
    const { base, entry } = await readEntry(file, index, size);
    return entry === null ? base.slice() : filled(base, entry, size);
  } catch (error) {
    throw new BundleError(place, "a plan by which the level can be cut", error.message);
  }
}

function filled(base, { holes, literal, data }, size) {
  const level = new Uint8Array(size);
  let end = 0;
  let used = 0;
  for (const hole of holes) {
    level.set(literal.subarray(used, used + hole.at - end), end);
    used += hole.at - end;
    end = hole.at + hole.bytes;
  }
  level.set(literal.subarray(used), end);
  const numbers = holes.map(numbersOf(data));
  // Those that copy another hole of the level come last.
  for (const isCopy of [false, true]) {
    holes.forEach((hole, i) => {
      if ((hole.source === "level") === isCopy) fill(level, base, holes, hole, numbers[i]);
    });
  }
  return level;
}

/** Each hole reads what follows that of the hole before. */
function numbersOf(data) {
  let used = 0;
  return (hole) => {
    const dtype = hole.source === "plan" ? hole.dtype : hole.factor?.dtype;
    const planes = data.subarray(used, used + hole.dataBytes);
    used += hole.dataBytes;
    return dtype === undefined ? planes : fromPlanes(planes, DTYPES[dtype].bytes);
  };
}

function fill(level, base, holes, hole, numbers) {
  const target = level.subarray(hole.at, hole.at + hole.bytes);
  if (hole.source === "plan") {
    target.set(numbers);
    return;
  }
  const [source, at] =
    hole.source === "base" ? [base, hole.offset] : [level, holes[hole.offset].at];
  const whole = source.subarray(at, at + hole.wholeBytes);
  slice(whole, DTYPES[hole.dtype].bytes, hole.whole, hole.take, target);
  if (hole.factor !== null) multiply(target, hole.dtype, hole.shape, numbers, hole.factor);
}
