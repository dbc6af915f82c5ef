/** The demo: a digit, a slider, and what the level that runs says and costs. */

import { Dispatcher, fromUrl } from "tnn-dispatcher";

import { digitOfPhoto, digitOfStrokes } from "./digit.js";
import { padOn } from "./pad.js";

const RUNS = 10; // that a time is the mean of: browsers' clocks tick rarely
const TIMES = 5; // that the middle one of is shown
const latest = new Map(); // milliseconds of each level that ran: the bar is a share of the longest

const $ = (id) => document.getElementById(id);
const said = (text) => ($("state").textContent = text);

async function start() {
  const wasm = new URL("../node_modules/@litertjs/core/wasm/", import.meta.url);
  const dispatcher = await Dispatcher.open(fromUrl("bundle/"), { wasm });
  const examples = await (await fetch("examples.json")).json();
  let picture = null;
  let place = 0;

  const answer = async () => {
    $("asked").value = $("u").value;
    if (picture !== null) show(dispatcher, await timed(dispatcher, picture, Number($("u").value)));
  };
  const look = (next) => {
    picture = next;
    $("seen").getContext("2d").clearRect(0, 0, 16, 16);
    if (next !== null) drawSmall($("seen"), next);
    return answer().catch((error) => said(error.message));
  };
  const pad = padOn($("pad"), (strokes) => look(digitOfStrokes(strokes)));
  const showExample = () => {
    const { pixels } = examples[place++ % examples.length];
    const example = { data: Uint8Array.from(pixels), width: 8, height: 8 };
    pad.show(example);
    return look(example);
  };

  $("u").addEventListener("input", answer);
  $("clear").addEventListener("click", () => {
    pad.clear();
    look(null);
  });
  $("example").addEventListener("click", showExample);
  $("photo").addEventListener("change", async ({ target }) => {
    if (target.files.length === 0) return;
    const digit = digitOfPhoto(await createImageBitmap(target.files[0]));
    target.value = "";
    if (digit === null) return said("No digit was found: dark strokes on plain paper are best.");
    pad.show(digit);
    look(digit);
  });
  $("file").textContent = kilobytes(dispatcher.bytes);
  await showExample();
  said("");
}

/** Runs a picture often enough to tell its time; the first time a level is cut and compiled. */
async function timed(dispatcher, picture, utilization) {
  const first = await dispatcher.run(picture, { utilization });
  const times = [];
  while (times.length < TIMES) {
    const begin = performance.now();
    for (let i = 0; i < RUNS; i++) await dispatcher.run(picture, { utilization });
    times.push((performance.now() - begin) / RUNS);
  }
  return { ...first, milliseconds: times.sort((a, b) => a - b)[Math.floor(TIMES / 2)] };
}

function show({ levels, labels, outputs: [{ name }] }, { level, outputs, milliseconds }) {
  const whole = levels.at(-1);
  const scores = Array.from(outputs[name]);
  const best = scores.indexOf(Math.max(...scores));
  $("level").textContent = `level ${level.utilization}`;
  latest.set(level, milliseconds);
  $("costs").replaceChildren(
    cost("MACs", level.macs / whole.macs, level.macs.toLocaleString("en")),
    cost("kB", level.bytes / whole.bytes, kilobytes(level.bytes)),
    cost("ms", milliseconds / Math.max(...latest.values()), milliseconds.toFixed(3)),
  );
  $("probabilities").replaceChildren(
    ...scores.map((score, i) => {
      const label = labels[name]?.[i] ?? String(i);
      return row("li", i === best ? "best" : "", label, score, `${(100 * score).toFixed(1)} %`);
    }),
  );
  const detail = { utilization: level.utilization, scores, milliseconds };
  document.dispatchEvent(new CustomEvent("answered", { detail }));
}

function cost(name, share, text) {
  return row("div", "", name, share, text, ["dt", "dd", "dd"]);
}

function row(tag, className, name, share, text, tags = ["span", "span", "span"]) {
  const line = document.createElement(tag);
  line.className = className;
  const [left, bar, right] = tags.map((one) => line.appendChild(document.createElement(one)));
  left.textContent = name;
  bar.className = "bar";
  bar.style.setProperty("--share", `${100 * Math.min(1, share)}%`);
  right.textContent = text;
  return line;
}

function drawSmall(canvas, { data, width, height }) {
  const pixels = new ImageData(width, height);
  data.forEach((ink, i) => pixels.data.set([255 - ink, 255 - ink, 255 - ink, 255], 4 * i));
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function kilobytes(bytes) {
  return (bytes / 1000).toFixed(1);
}

start().catch((error) => {
  said(`${error.message} The runtime is a package of npm: \`npm ci\` in js/ puts it in its place.`);
});
