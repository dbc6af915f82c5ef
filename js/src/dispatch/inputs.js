/** What a caller hands over: checked, and brought to the form that a level reads. */

import { invalidValue } from "../errors.js";
import { isPicture, pixelsOf } from "./picture.js";
import { fromPixels } from "./pixels.js";
import { quantize } from "../quantized_values.js";

const ARRAYS = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };

/**
 * @typedef {import("../bundle/manifest.js").Tensor} Tensor
 * @typedef {{ array: any, isReal: boolean }} Read Numbers; or integers as they are.
 */

/**
 * Returns a function that reads `x`: for each input real numbers, or integers as they are.
 *
 * @param {import("../bundle/manifest.js").Bundle} bundle
 * @returns {(x: any) => Read[]} It throws a `RangeError` where `x` does not fit.
 */
export function inputReader({ inputs, preprocessing }) {
  const names = inputs.map((tensor) => tensor.name);
  const readers = inputs.map((tensor) => {
    const label = inputs.length === 1 ? "x" : `x["${tensor.name}"]`;
    return (value) => read(value, tensor, preprocessing.get(tensor.name), label);
  });
  return (x) => {
    const isByName = Object.getPrototypeOf(x ?? 0) === Object.prototype && !isPicture(x);
    if (inputs.length === 1 && !isByName) return [readers[0](x)];
    const found = isByName ? Object.keys(x) : [];
    if (found.length !== names.length || !names.every((name) => Object.hasOwn(x, name))) {
      const received = isByName ? `the keys ${found.join(", ")}` : typeof x;
      throw invalidValue("x", `an object with the keys ${names.join(", ")}`, received);
    }
    return names.map((name, i) => readers[i](x[name]));
  };
}

/**
 * Returns what was read as a level takes it: its scales are its own.
 *
 * @param {Read} read
 * @param {Tensor} tensor An input of the level.
 */
export function asInput({ array, isReal }, { dtype, quantization }) {
  return isReal && dtype !== "float32" ? quantize(array, quantization, dtype) : array;
}

/** One sample of zeros for each input. */
export function zeros(inputs) {
  return Object.fromEntries(
    inputs.map(({ name, shape, dtype }) => [name, new ARRAYS[dtype](elements(shape))]),
  );
}

export function elements(shape) {
  return shape.reduce((size, axis) => size * axis, 1);
}

function read(value, tensor, steps, label) {
  const { dtype, shape, quantization } = tensor;
  if (isPicture(value)) {
    if (steps === undefined) {
      const advice = "Convert with `preprocessing=`, or scale its pixels as in training";
      throw invalidValue(label, "numbers", `a picture, and no word of its scale. ${advice}`);
    }
    return real(fromPixels(pixelsOf(value, shape, steps.resize), steps), tensor, label);
  }
  const isBytes = value instanceof Uint8Array || value instanceof Uint8ClampedArray;
  if (isBytes && dtype === "float32" && steps !== undefined) {
    checkLength(value, shape, label);
    return real(fromPixels(value, steps), tensor, label);
  }
  if (value instanceof Float32Array && (dtype === "float32" || quantization !== null)) {
    checkLength(value, shape, label);
    return real(value, tensor, label);
  }
  if (!(value instanceof ARRAYS[dtype])) {
    throw invalidValue(label, `a ${ARRAYS[dtype].name}`, value?.constructor?.name ?? typeof value);
  }
  checkLength(value, shape, label);
  return { array: value, isReal: false };
}

function real(array, { dtype, quantization }, label) {
  const wrong = array.findIndex((number) => !Number.isFinite(number));
  if (wrong >= 0) throw invalidValue(label, "finite numbers", `${array[wrong]} at index ${wrong}`);
  if (dtype !== "float32" && quantization === null) {
    throw invalidValue(label, `integers, ${dtype}`, "real numbers");
  }
  return { array, isReal: true };
}

function checkLength(array, shape, label) {
  if (array.length !== elements(shape)) {
    const expected = `${elements(shape)} numbers of one sample, of shape [${shape}]`;
    throw invalidValue(label, expected, `${array.length}`);
  }
}
