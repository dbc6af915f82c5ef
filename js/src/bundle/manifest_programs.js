/** Programs, labels and preprocessing as a manifest has them. */

import { ROLES } from "./roles.js";

const UNKNOWN_ROLE =
  "This bundle has a program that is not run in JavaScript, as those of exits and of budget " +
  "policies: run it with Python, or convert levels.";

/**
 * Reads a program of version 3.
 *
 * @param {import("./fields.js").Fields} fields
 * @returns {import("./manifest.js").Program}
 */
export function programOf(fields) {
  const role = fields.text("role");
  if (!ROLES.includes(role)) {
    throw fields.error("role", `a role that is known here (${ROLES.join(", ")})`, UNKNOWN_ROLE);
  }
  return {
    name: fields.text("name"),
    role,
    utilization: role === "level" ? fields.utilization("utilization") : NaN,
    ...contentOf(fields),
    inputs: fields.listOf("inputs").map(tensorOf),
    outputs: fields.listOf("outputs").map(tensorOf),
  };
}

/**
 * Reads the levels of versions 1 and 2, where all have their tensors in one place.
 *
 * @param {import("./fields.js").Fields} fields
 * @returns {import("./manifest.js").Program[]}
 */
export function levelsOfVersion2(fields) {
  return fields.listOf("levels").map((level) => {
    const utilization = level.utilization("utilization");
    return {
      name: `u${Number.isInteger(utilization) ? utilization.toFixed(1) : utilization}`,
      role: "level",
      utilization,
      ...contentOf(level),
      inputs: tensorsOfVersion2(fields, level, "input"),
      outputs: tensorsOfVersion2(fields, level, "output"),
    };
  });
}

/** The names of classes, by output. */
export function labelsOf(fields) {
  return byName(fields, "labels", (record, name) => record.texts(name));
}

/** How pictures become inputs, by input. */
export function preprocessingOf(fields) {
  return byName(fields, "preprocessing", (record, name) => {
    const steps = record.fieldsOf(name);
    return {
      scale: steps.numbers("scale"),
      offset: steps.numbers("offset"),
      colours: steps.choice("colours", ["RGB", "BGR", "grey"]),
      resize: steps.choice("resize", ["stretch", "crop"]),
    };
  });
}

function byName(fields, key, read) {
  if (!fields.has(key)) return new Map();
  const record = fields.fieldsOf(key);
  return new Map(record.names().map((name) => [name, read(record, name)]));
}

function contentOf(fields) {
  return {
    file: fields.text("file"),
    macs: fields.integer("macs", 0),
    parameters: fields.integer("parameters", 0),
    bytes: fields.integer("bytes", 1),
    sha256: fields.sha256("sha256"),
  };
}

function tensorOf(fields) {
  return {
    name: fields.text("name"),
    shape: fields.sizes("shape"),
    dtype: fields.dtype("dtype"),
    quantization: quantizationOf(fields.optionalFieldsOf("quantization")),
  };
}

function tensorsOfVersion2(fields, level, kind) {
  const tensors = fields.listOf(`${kind}s`).map(tensorOf);
  const key = `${kind}_quantization`;
  const found = level.optionalListOf(key);
  if (found.length !== 0 && found.length !== tensors.length) {
    throw level.error(key, `one entry for each ${kind}`);
  }
  return tensors.map((one, i) => ({ ...one, quantization: quantizationOf(found[i] ?? null) }));
}

function quantizationOf(fields) {
  if (fields === null) return null;
  return { scale: fields.positive("scale"), zeroPoint: fields.integer("zero_point") };
}
