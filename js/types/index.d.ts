/** Bundles that `tnn_tflite.convert` wrote, in a browser. */

export type Numbers = Float32Array | Uint8Array | Int32Array;

/** Rows of 1 (grey), 3 (RGB) or 4 (RGBA) bytes a pixel; an `ImageData` is one. */
export interface Picture {
  data: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
}

/** How integers stand for real numbers: `real = scale * (integer - zeroPoint)`. */
export interface Quantization {
  scale: number;
  zeroPoint: number;
}

export interface Tensor {
  name: string;
  /** Of one sample. */
  shape: number[];
  dtype: string;
  quantization: Quantization | null;
}

export interface Level {
  name: string;
  /** How much of the network runs, in (0, 1]. */
  utilization: number;
  /** Multiply-accumulate operations for one sample. */
  macs: number;
  parameters: number;
  /** Size of its own TFLite file. */
  bytes: number;
  inputs: Tensor[];
  outputs: Tensor[];
}

/** Where the files of a bundle are. */
export interface Source {
  place: string;
  /** Gives the content of a file, cut after `limit + 1` bytes. */
  read(file: string, limit: number): Promise<Uint8Array>;
}

/** What a policy knows of a level. */
export interface KnownLevel {
  utilization: number;
  macs: number;
  parameters: number;
  bytes: number;
  /** Median time of a run, null unless the policy `needsTimes`. */
  milliseconds: number | null;
}

export interface Choice {
  utilization: number;
  reason: string;
}

export interface Policy {
  /** Whether `choose` reads `milliseconds`: the levels are then measured, once, in some seconds. */
  needsTimes?: boolean;
  choose(levels: KnownLevel[]): Choice;
  /** Sees what a level answered: null keeps it, a choice of a higher level runs that one. */
  goOn?(levels: KnownLevel[], answer: Answer): Choice | null;
  observe?(result: Result): void;
}

/** What a level gave. */
export interface Answer {
  /** An array for each output, by name. */
  outputs: Record<string, Numbers>;
  level: Level;
  utilization: number;
}

export interface Result extends Answer {
  /** Those that ran, in order; none where a controller answered. */
  levels: Level[];
  /** Time of the call; reading and compiling the level is in it at its first use. */
  milliseconds: number;
  expectedMilliseconds: number | null;
  reason: string;
  /** Whether all that ran had run before. */
  isWarm: boolean;
  macs: number;
}

/** Runs a bundle at the utilization that each call asks for. */
export class Dispatcher {
  private constructor();
  static open(
    source: Source,
    options: { wasm: string | URL; policy?: Policy | null },
  ): Promise<Dispatcher>;
  readonly levels: Level[];
  readonly inputs: Tensor[];
  readonly outputs: Tensor[];
  /** Of all files but the manifest. */
  readonly bytes: number;
  readonly labels: Record<string, string[]>;
  run(
    x: Numbers | Uint8ClampedArray | Picture | Record<string, Numbers | Picture>,
    options?: { utilization?: number; budgetMs?: number },
  ): Promise<Result>;
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

/** The files of a bundle on a server, at a URL relative to the page. */
export function fromUrl(url: string | URL): Source;

/** Always the same utilization. */
export class Fixed implements Policy {
  constructor(utilization: number);
  choose(levels?: KnownLevel[]): Choice;
}

/** The highest level whose measured latency fits into a budget. */
export class LatencyBudget implements Policy {
  constructor(milliseconds: number);
  readonly needsTimes: true;
  choose(levels: KnownLevel[]): Choice;
}

/** A low level answers, and where it is not sure the next one does. */
export class Escalate implements Policy {
  constructor(
    /** In [0, 1], one for each level but the last; or for each of them a list by class. */
    thresholds: (number | number[])[],
    options?: {
      levels?: number[] | null;
      measure?: "probability" | "margin";
      temperature?: number;
      output?: string | null;
    },
  );
  choose(levels: KnownLevel[]): Choice;
  goOn(levels: KnownLevel[], answer: Answer): Choice | null;
}

/** The highest level whose mean latency stays below a target, on the device as it is now. */
export class LatencyTarget implements Policy {
  constructor(
    milliseconds: number,
    options?: {
      hysteresis?: number;
      dwellSeconds?: number;
      windowSeconds?: number;
      /** Gives the time in seconds. */
      clock?: () => number;
    },
  );
  readonly needsTimes: true;
  choose(levels: KnownLevel[]): Choice;
  observe(result: Result): void;
}

export interface ScoredClass {
  index: number;
  score: number;
  label: string | null;
}

/** The `k` classes with the highest scores, the highest first. */
export function topClasses(scores: ArrayLike<number>, k?: number, labels?: string[]): ScoredClass[];

/** The integers that stand for real numbers: the nearest, within range. */
export function quantize(
  x: ArrayLike<number>,
  quantization: Quantization,
  dtype: "int8" | "uint8" | "int16" | "int32",
): Int8Array | Uint8Array | Int16Array | Int32Array;

/** The real numbers that integers stand for. */
export function dequantize(q: ArrayLike<number>, quantization: Quantization): Float32Array;

/** A bundle that cannot be used: missing, half-written, too new, changed, unsafe, not supported. */
export class BundleError extends Error {}
