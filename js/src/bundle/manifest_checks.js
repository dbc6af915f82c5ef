/** What a manifest says is compared with itself. Files are checked when they are read. */

import { BundleError } from "../errors.js";
import { plainName } from "./plain_name.js";
import { ANSWER, CHOICE } from "./roles.js";

const LARGEST_GROWTH = 16; // a level over the file that it is cut from
const LARGEST_FILE = 2 ** 31; // bytes; a TFLite file cannot be larger

/** Throws `BundleError` if parts of a bundle do not fit to each other. */
export function checkBundle(bundle) {
  const check = (isGood, expected, received) => {
    if (!isGood) throw new BundleError(bundle.place, expected, received);
  };
  checkNames(bundle, check);
  checkLevels(bundle, check);
  checkController(bundle, check);
  checkLabels(bundle, check);
  checkPreprocessing(bundle, check);
  checkFiles(bundle, check);
}

function checkNames({ programs }, check) {
  const names = (parts) => parts.map((part) => part.name);
  const areDifferent = (list) => new Set(list).size === list.length;
  check(areDifferent(names(programs)), "different names for `programs`", names(programs));
  for (const { inputs, outputs } of programs) {
    check(areDifferent(names(inputs)), "different names for `inputs`", names(inputs));
    check(areDifferent(names(outputs)), "different names for `outputs`", names(outputs));
  }
}

function checkLevels({ levels, inputs, outputs }, check) {
  check(levels.length > 0, "a program with the role 'level'", "none");
  for (const level of levels) {
    const same = sameTensors(level.inputs, inputs) && sameTensors(level.outputs, outputs);
    check(same, `the inputs and outputs of '${levels[0].name}' for every level`, level.name);
  }
  const values = levels.map((level) => level.utilization);
  const rise = values.every((value, i) => i === 0 || value > values[i - 1]);
  check(rise, "levels that rise in utilization, each once", values);
}

function checkController({ controllers, levels, inputs, outputs }, check) {
  check(controllers.length <= 1, "at most one controller", controllers.length);
  for (const controller of controllers) {
    const reads = sameTensors(controller.inputs, inputs);
    check(reads, "a controller that reads what the levels read", shown(controller.inputs));
    const choice = controller.outputs.find((one) => one.name === CHOICE);
    const isChoice = String(choice?.shape) === String([levels.length]);
    const expected = `an output '${CHOICE}' of the controller, a number for each level`;
    check(isChoice, expected, shown(controller.outputs));
    const others = controller.outputs.filter((one) => one.name !== CHOICE);
    const answers = outputs.map((one) => ({ ...one, name: ANSWER }));
    const isAnswer = others.length === 0 || sameTensors(others, answers);
    check(isAnswer, `no other output of the controller than '${ANSWER}'`, shown(others));
    // The answer is handed out as that of the lowest level.
    const scales = (tensors) => JSON.stringify(tensors.map((one) => one.quantization));
    const isAlike = others.length === 0 || scales(others) === scales(outputs);
    check(isAlike, `'${ANSWER}' with the quantization of the lowest level`, scales(others));
  }
}

function checkLabels({ labels, outputs }, check) {
  for (const [name, names] of labels) {
    const shape = outputs.find((one) => one.name === name)?.shape;
    const fits = shape?.at(-1) === names.length;
    check(fits, `\`labels\` for each class of an output, here '${name}'`, `${names.length}`);
  }
}

function checkPreprocessing({ preprocessing, inputs }, check) {
  for (const [name, { colours, scale, offset }] of preprocessing) {
    const shape = inputs.find((one) => one.name === name)?.shape ?? [];
    const channels = colours === "grey" ? 1 : 3;
    const fits = [shape[2], scale.length, offset.length].every((size) => size === channels);
    const expected = `\`preprocessing\` of a picture with ${channels} channels for '${name}'`;
    check(shape.length === 3 && fits, expected, `an input of shape [${shape}]`);
  }
}

function checkFiles({ place, programs, levels, shared }, check) {
  const own = shared ? programs.filter((program) => !levels.includes(program)) : programs;
  const files = [...own, ...(shared ? [shared] : [])];
  for (const { file, bytes } of files) {
    plainName(file, place);
    check(bytes <= LARGEST_FILE, `at most ${LARGEST_FILE} bytes in '${file}'`, bytes);
  }
  const names = files.map((one) => one.file);
  check(new Set(names).size === names.length, "a file of its own for each program", names);
  if (!shared) return;
  for (const { name, file, bytes } of levels) {
    check(file === shared.file, `every level in the shared file '${shared.file}'`, file);
    const expected = `levels of at most ${LARGEST_GROWTH} times the shared file's size`;
    check(bytes <= LARGEST_GROWTH * shared.bytes, expected, `${bytes} bytes of '${name}'`);
  }
}

/** Equal names, shapes and types; scales belong to a level. */
function sameTensors(some, others) {
  return shown(some) === shown(others);
}

function shown(tensors) {
  return JSON.stringify(tensors.map(({ name, shape, dtype }) => [name, shape, dtype]));
}
