/** Label maps: for each pixel the index of its label, -1 for none. */

/** { width, height, labels: Int16Array } of the service's runs: [label, pixels, label, …]. */
export function decodeRuns({ width, height, runs }) {
  const labels = new Int16Array(width * height);
  let start = 0;
  for (let i = 0; i < runs.length; i += 2) {
    labels.fill(runs[i], start, (start += runs[i + 1]));
  }
  return { width, height, labels };
}

/** The map with the masks of clicks in place of their labels. `clicked`: label -> its map. */
export function withClicks(map, clicked) {
  if (!clicked.size) return map;
  const labels = map.labels.map((label) => (clicked.has(label) ? -1 : label));
  for (const [label, mask] of clicked) {
    mask.labels.forEach((found, i) => {
      if (found === label) labels[i] = label;
    });
  }
  return { ...map, labels };
}

/** Draws the labels that are shown: tinted, their outlines opaque. `colors`: [r, g, b] by label. */
export function paint(canvas, { width, height, labels }, colors, isShown, opacity) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const alpha = Math.round(opacity * 255);
  const line = Math.max(1, Math.round(width / 640));
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const label = labels[i];
      if (label < 0 || !isShown[label]) continue;
      const isEdge =
        (x >= line && labels[i - line] !== label) ||
        (x + line < width && labels[i + line] !== label) ||
        (y >= line && labels[i - line * width] !== label) ||
        (y + line < height && labels[i + line * width] !== label);
      const color = colors[label];
      image.data[4 * i] = color[0];
      image.data[4 * i + 1] = color[1];
      image.data[4 * i + 2] = color[2];
      image.data[4 * i + 3] = isEdge ? Math.min(255, alpha + 110) * (alpha > 0) : alpha;
    }
  }
  context.putImageData(image, 0, 0);
}

/** [r, g, b] of any CSS color, such as a labeling config has. */
export function rgbOf(color) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = "#888888"; // stays for what is no color
  context.fillStyle = color;
  const hex = context.fillStyle;
  if (hex.startsWith("#")) return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return hex.match(/[\d.]+/g).slice(0, 3).map(Number);
}
