// Appended to the demo page: turns its slider, draws a digit, takes a photo, and reports.

import { digitOfPhoto } from "./digit.js";

const u = document.getElementById("u");
const pad = document.getElementById("pad");

function next() {
  return new Promise((resolve) => {
    document.addEventListener("answered", ({ detail }) => resolve(detail), { once: true });
  });
}

async function after(action) {
  const answer = next();
  action();
  const { utilization, scores } = await answer;
  return { utilization, scores };
}

async function turned(value) {
  return after(() => {
    u.value = value;
    u.dispatchEvent(new Event("input"));
  });
}

function drawn(points) {
  const { left, top, width, height } = pad.getBoundingClientRect();
  pad.setPointerCapture = () => {}; // there is no pointer
  const types = ["pointerdown", ...points.slice(1).map(() => "pointermove"), "pointerup"];
  types.forEach((type, i) => {
    const [x, y] = points[Math.min(i, points.length - 1)];
    const place = { clientX: left + x * width, clientY: top + y * height };
    pad.dispatchEvent(new PointerEvent(type, { ...place, pointerId: 1 }));
  });
}

/** A seven, written small in a corner of a grey sheet. */
async function photo() {
  const pen = new OffscreenCanvas(300, 200).getContext("2d");
  pen.fillStyle = "#bbb";
  pen.fillRect(0, 0, 300, 200);
  pen.fillStyle = "#222";
  pen.font = "bold 90px sans-serif";
  pen.fillText("7", 180, 110);
  return digitOfPhoto(pen.canvas.transferToImageBitmap());
}

async function report() {
  const examples = [await next()];
  const levels = [];
  for (const value of [0.125, 0.25, 0.375, 0.5, 0.75, 1]) levels.push(await turned(value));
  for (let i = 1; i < 10; i++) {
    examples.push(await after(() => document.getElementById("example").click()));
  }
  const nought = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => {
    const angle = (i / 8) * 2 * Math.PI;
    return [0.3 + 0.08 * Math.sin(angle), 0.4 + 0.14 * Math.cos(angle)];
  });
  const drawing = await after(() => drawn(nought));
  const seen = Array.from((await photo()).data);
  const costs = document.getElementById("costs").textContent;
  return { examples, levels, drawing, seen, costs };
}

const told = await report().catch((error) => ({ error: String(error) }));
await fetch("/report", { method: "POST", body: JSON.stringify(told) });
