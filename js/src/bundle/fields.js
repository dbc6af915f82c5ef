/** Typed reading of one JSON object: each field is what it should be, or the error says where. */

import { BundleError } from "../errors.js";
import { isUtilization } from "../utilization.js";

const DTYPES = ["float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool"];

export class Fields {
  /**
   * @param {any} record What the parser gave; expected to be an object.
   * @param {string} place Where the bundle is, for errors.
   * @param {string} [path] Where the object stands in the manifest, for example `levels[2]`.
   */
  constructor(record, place, path = "") {
    this.place = place;
    this.path = path;
    if (!isRecord(record)) throw this.#errorAt(path || "the manifest", "an object", short(record));
    this.record = record;
  }

  /** The error of a field that is not what it should be. */
  error(name, expected, advice) {
    return this.#errorAt(this.#path(name), expected, short(this.record[name]), advice);
  }

  has(name) {
    return Object.hasOwn(this.record, name);
  }

  names() {
    return Object.keys(this.record);
  }

  text(name) {
    return this.#checked(name, isText, "a string");
  }

  integer(name, atLeast = -Infinity) {
    const expected = atLeast === -Infinity ? "an integer" : `an integer, at least ${atLeast}`;
    return this.#checked(name, (v) => Number.isSafeInteger(v) && v >= atLeast, expected);
  }

  positive(name) {
    return this.#checked(name, (v) => Number.isFinite(v) && v > 0, "a finite number above 0");
  }

  utilization(name) {
    return this.#checked(name, isUtilization, "a number in (0, 1]");
  }

  choice(name, values) {
    return this.#checked(name, (v) => values.includes(v), `one of ${values.join(", ")}`);
  }

  dtype(name) {
    return this.choice(name, DTYPES);
  }

  /** A shape: a list of positive integers, empty for one number. */
  sizes(name) {
    const isShape = (v) => Array.isArray(v) && v.every((n) => Number.isSafeInteger(n) && n > 0);
    return this.#checked(name, isShape, "a list of positive integers");
  }

  sha256(name) {
    const isHash = (v) => typeof v === "string" && /^[0-9a-f]{64}$/.test(v);
    return this.#checked(name, isHash, "64 hexadecimal digits, lower case");
  }

  numbers(name) {
    return this.#checked(name, are(Number.isFinite), "a filled list of finite numbers");
  }

  texts(name) {
    return this.#checked(name, are(isText), "a filled list of strings");
  }

  fieldsOf(name) {
    return new Fields(this.#checked(name, isRecord, "an object"), this.place, this.#path(name));
  }

  /** An object; null if there is none, or no such key. */
  optionalFieldsOf(name) {
    return this.has(name) && this.record[name] !== null ? this.fieldsOf(name) : null;
  }

  /** A list of objects that is not empty. */
  listOf(name) {
    const values = this.#checked(name, (v) => Array.isArray(v) && v.length > 0, "a filled list");
    return values.map((value, i) => new Fields(value, this.place, `${this.#path(name)}[${i}]`));
  }

  /** A list of objects and nulls; empty if there is no such key. */
  optionalListOf(name) {
    if (!this.has(name)) return [];
    return this.#checked(name, Array.isArray, "a list").map((value, i) =>
      value === null ? null : new Fields(value, this.place, `${this.#path(name)}[${i}]`),
    );
  }

  #checked(name, isGood, expected) {
    if (!this.has(name)) throw this.#errorAt(this.#path(name), expected, "no such key");
    if (!isGood(this.record[name])) throw this.error(name, expected);
    return this.record[name];
  }

  #path(name) {
    return this.path ? `${this.path}.${name}` : name;
  }

  #errorAt(path, expected, received, advice) {
    return new BundleError(
      this.place,
      `${expected} for \`${path}\` in its manifest`,
      received,
      advice,
    );
  }
}

function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// JSON can write half of a surrogate pair: no text, and no system has such a file.
function isText(value) {
  return typeof value === "string" && value !== "" && value.isWellFormed();
}

function are(isGood) {
  return (values) => Array.isArray(values) && values.length > 0 && values.every((v) => isGood(v));
}

function short(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
