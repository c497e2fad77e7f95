/** A photo with masks over it, in a <figure>; may be clicked by mouse, finger or keyboard. */

import { make } from "./elements.js";
import { paint, withClicks } from "./label_maps.js";

const STEP = 0.02; // of width and height, by an arrow key

export class Picture {
  constructor(figure) {
    this.figure = figure;
    this.image = make("img", { alt: "" });
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.cursor = make("span", { class: "cursor" });
    this.box = make("div", { class: "picture" }, this.image, this.canvas, this.cursor);
    this.caption = make("figcaption");
    figure.append(this.box, this.caption);
    this.map = null;
  }

  /** `onClick(x, y, isPositive)`: shares of width and height; undefined as the tool is set. */
  makeClickable(onClick) {
    this.at = { x: 0.5, y: 0.5 };
    this.box.classList.add("clickable");
    this.box.tabIndex = 0;
    this.box.setAttribute("role", "application");
    this.box.setAttribute("aria-describedby", "clicks-hint");
    this.box.addEventListener("click", (event) => {
      const box = this.box.getBoundingClientRect();
      this.moveTo((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
      onClick(this.at.x, this.at.y, event.altKey ? false : undefined);
    });
    this.box.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? STEP * 5 : STEP;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (event.key in moves) {
        const [dx, dy] = moves[event.key];
        this.moveTo(this.at.x + dx, this.at.y + dy);
      } else if (event.key === "Enter" || event.key === " ") {
        onClick(this.at.x, this.at.y, undefined);
      } else if (event.key === "Delete" || event.key === "Backspace") {
        onClick(this.at.x, this.at.y, false);
      } else {
        return;
      }
      event.preventDefault();
    });
    this.moveTo(0.5, 0.5);
  }

  moveTo(x, y) {
    this.at = { x: Math.min(Math.max(x, 0), 1), y: Math.min(Math.max(y, 0), 1) };
    place(this.cursor, this.at);
  }

  setPhoto(url, name, width, height) {
    this.image.src = url;
    this.image.alt = name;
    this.box.setAttribute("aria-label", `${name}, with masks`);
    // No taller than most of the window, so that masks and controls are seen at once.
    this.box.style.width = `min(100%, ${((72 * width) / height).toFixed(2)}vh)`;
    this.box.style.aspectRatio = `${width} / ${height}`;
    this.setMap(null);
  }

  setMap(map) {
    this.map = map;
    if (!map) this.canvas.width = this.canvas.width; // clears it
  }

  /** `look`: { colors, isShown, opacity }; `clicked`: label -> map of its clicks. */
  draw(look, clicked = new Map()) {
    if (this.map) {
      paint(this.canvas, withClicks(this.map, clicked), look.colors, look.isShown, look.opacity);
    }
  }

  setBusy(isBusy) {
    this.box.classList.toggle("busy", isBusy);
    this.box.setAttribute("aria-busy", String(isBusy));
  }

  showClicks(clicks) {
    for (const mark of this.box.querySelectorAll(".click")) mark.remove();
    for (const click of clicks) {
      const kind = click.isPositive ? "click" : "click remove";
      const mark = make("span", { class: kind }, click.isPositive ? "+" : "−");
      place(mark, click);
      this.box.append(mark);
    }
  }
}

function place(element, { x, y }) {
  element.style.left = `${x * 100}%`;
  element.style.top = `${y * 100}%`;
}
