/** JSON in which each key stands once: of two values some readers would take the last, some the first. */

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;

/**
 * Parses a JSON text.
 *
 * @param {string} text
 * @returns {unknown}
 * @throws {SyntaxError} If it is no JSON, or has a key twice.
 */
export function parseJson(text) {
  const value = JSON.parse(text); // from here on the text is known to be JSON
  const keys = /** @type {(Set<string> | null)[]} */ ([]); // of each open object, null of a list
  let last = "";
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{") keys.push(new Set());
    else if (token === "[") keys.push(null);
    else if (token === "}" || token === "]") keys.pop();
    else if (token === ":") addOnce(keys.at(-1), JSON.parse(last));
    last = token;
  }
  return value;
}

/** @param {Set<string>} keys @param {string} key */
function addOnce(keys, key) {
  if (keys.has(key)) throw new SyntaxError(`the key "${key}" stands there twice`);
  keys.add(key);
}
