// Calls functions of the package, and makes its classes: a list of [module, name, ...arguments].

import { readFileSync } from "node:fs";

const [, , source] = process.argv;

/** Lists of numbers under a key "uint8" or "float32" are typed arrays. */
const revived = (key, value) => {
  if (value?.uint8) return Uint8Array.from(value.uint8);
  if (value?.float32) return Float32Array.from(value.float32);
  return value;
};

const plain = (key, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);

const found = [];
for (const [module, name, ...given] of JSON.parse(readFileSync(0, "utf-8"), revived)) {
  const part = (await import(new URL(module, source)))[name];
  try {
    found.push(/^[A-Z]/.test(name) ? new part(...given) : await part(...given));
  } catch (error) {
    found.push({ error: `${error.name}: ${error.message}` });
  }
}
console.log(JSON.stringify(found, plain));
