/** A canvas to draw on, with a finger, a pen or a mouse. */

/**
 * @param {HTMLCanvasElement} canvas
 * @param {(strokes: { x: number, y: number }[][]) => void} drawn Is told after each stroke.
 * @returns {{ clear(): void, show(picture: { data: Uint8Array, width: number, height: number }): void }}
 */
export function padOn(canvas, drawn) {
  const pen = canvas.getContext("2d");
  let strokes = [];
  let isDown = false;

  const clear = () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    strokes = [];
  };

  const point = (event) => {
    const scale = canvas.width / canvas.clientWidth;
    return { x: event.offsetX * scale, y: event.offsetY * scale };
  };

  const lineTo = (next) => {
    const stroke = strokes.at(-1);
    const last = stroke.at(-1) ?? next;
    Object.assign(pen, { lineWidth: 22, lineCap: "round", strokeStyle: "#1c2733" });
    pen.beginPath();
    pen.moveTo(last.x, last.y);
    pen.lineTo(next.x, next.y);
    pen.stroke();
    stroke.push(next);
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (strokes.length === 0) clear(); // of an example
    isDown = true;
    strokes.push([]);
    lineTo(point(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (isDown) lineTo(point(event));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (isDown) drawn(strokes);
      isDown = false;
    });
  }

  const show = ({ data, width, height }) => {
    clear();
    const [across, down] = [canvas.width / width, canvas.height / height];
    data.forEach((ink, i) => {
      pen.fillStyle = `rgb(28 39 51 / ${ink / 255})`;
      pen.fillRect((i % width) * across, Math.floor(i / width) * down, across, down);
    });
  };

  return { clear, show };
}
