/** The same in Node, from a folder. */

import { Dispatcher, Policy, Source } from "./index.js";

export * from "./index.js";

/** Opens a bundle in a folder. */
export function openFolder(
  directory: string,
  options?: { policy?: Policy | null },
): Promise<Dispatcher>;

/** The files of a bundle in a folder. */
export function fromFolder(directory: string): Source;
