/**
 * `manifest.json`: what a bundle says about itself, checked before anything is believed.
 *
 * docs/bundle.md describes the format, version 3, and what versions 1 and 2 have in its place.
 *
 * @typedef {{ scale: number, zeroPoint: number }} Quantization
 * @typedef {{ name: string, shape: number[], dtype: string, quantization: Quantization | null }} Tensor
 * @typedef {{ name: string, role: string, utilization: number, file: string, macs: number,
 *   parameters: number, bytes: number, sha256: string, inputs: Tensor[], outputs: Tensor[] }} Program
 * @typedef {{ scale: number[], offset: number[], colours: string, resize: string }} Preprocessing
 * @typedef {{ place: string, formatVersion: number, layout: string,
 *   shared: { file: string, bytes: number, sha256: string } | null, programs: Program[],
 *   levels: Program[], controllers: Program[], controller: Program | null, inputs: Tensor[], outputs: Tensor[],
 *   labels: Map<string, string[]>, preprocessing: Map<string, Preprocessing> }} Bundle
 */

import { BundleError } from "../errors.js";
import { Fields } from "./fields.js";
import { parseJson } from "./json.js";
import { checkBundle } from "./manifest_checks.js";
import { checkOwnHash } from "./manifest_hash.js";
import { labelsOf, levelsOfVersion2, preprocessingOf, programOf } from "./manifest_programs.js";
import { CONTROLLER, LEVEL } from "./roles.js";

export const MANIFEST = "manifest.json";
export const LARGEST_MANIFEST = 4 * 1024 * 1024; // bytes
const FORMAT = "tnn_tflite";
const FORMAT_VERSION = 3;
const WITH_SHARED_FILE = ["single", "signatures"];

/**
 * Reads the manifest of a bundle.
 *
 * @param {{ place: string, read(file: string, limit: number): Promise<Uint8Array> }} source
 * @returns {Promise<Bundle>}
 * @throws {BundleError} If it is missing, damaged, too new, unsafe or has programs that are not
 *   run here.
 */
export async function readManifest(source) {
  const content = await source.read(MANIFEST, LARGEST_MANIFEST);
  const fields = new Fields(parsed(content, source.place), source.place);
  await checkOwnHash(content, fields);
  const version = checkedVersion(fields);
  const programs =
    version > 2 ? fields.listOf("programs").map(programOf) : levelsOfVersion2(fields);
  const levels = programs.filter((program) => program.role === LEVEL);
  const bundle = {
    place: source.place,
    formatVersion: version,
    ...layoutOf(fields, version),
    programs,
    levels,
    controllers: programs.filter((program) => program.role === CONTROLLER),
    controller: programs.find((program) => program.role === CONTROLLER) ?? null,
    inputs: levels[0]?.inputs ?? [],
    outputs: levels[0]?.outputs ?? [],
    labels: version > 2 ? labelsOf(fields) : new Map(),
    preprocessing: version > 2 ? preprocessingOf(fields) : new Map(),
  };
  for (const key of ["edges", "budgets"]) {
    if (version > 2 && fields.has(key)) throw fields.error(key, "no such key beside levels");
  }
  checkBundle(bundle);
  return bundle;
}

function parsed(content, place) {
  if (content.length > LARGEST_MANIFEST) {
    throw new BundleError(place, `at most ${LARGEST_MANIFEST} bytes in '${MANIFEST}'`, "more");
  }
  try {
    return parseJson(new TextDecoder("utf-8", { fatal: true }).decode(content));
  } catch (error) {
    const received = `${content.length} bytes that do not parse (${error.message})`;
    throw new BundleError(place, `complete JSON in '${MANIFEST}'`, received);
  }
}

function checkedVersion(fields) {
  if (fields.text("format") !== FORMAT) throw fields.error("format", `"${FORMAT}"`);
  const version = fields.integer("format_version", 1);
  if (version > FORMAT_VERSION) {
    const advice = "This bundle is newer than the program: upgrade tnn-dispatcher.";
    throw fields.error("format_version", `at most ${FORMAT_VERSION}`, advice);
  }
  return version;
}

function layoutOf(fields, version) {
  const layout = version === 1 ? "files" : fields.choice("layout", ["files", ...WITH_SHARED_FILE]);
  if (!WITH_SHARED_FILE.includes(layout)) return { layout, shared: null };
  const shared = fields.fieldsOf("shared");
  return {
    layout,
    shared: {
      file: shared.text("file"),
      bytes: shared.integer("bytes", 1),
      sha256: shared.sha256("sha256"),
    },
  };
}
