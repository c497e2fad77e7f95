/** The clicks on a photo, by label, and the regions that answer them. */

import { decodeRuns } from "./label_maps.js";

export class Clicks {
  constructor() {
    this.reset();
  }

  reset() {
    this.all = []; // { label, x, y, isPositive }, oldest first
    this.answers = new Map(); // label -> the service's answer
    this.maps = new Map(); // label -> its label map
  }

  of(label) {
    return this.all.filter((click) => click.label === label);
  }

  add(click) {
    this.all.push(click);
  }

  undo(label) {
    const last = this.all.map((click) => click.label).lastIndexOf(label);
    if (last >= 0) this.all.splice(last, 1);
  }

  clear(label) {
    this.all = this.all.filter((click) => click.label !== label);
    this.answers.delete(label);
    this.maps.delete(label);
  }

  setAnswer(label, answer) {
    this.answers.set(label, answer);
    this.maps.set(label, decodeRuns(answer.map));
  }

  /** The context of a smart key point, in Label Studio's own form. */
  context(label, name) {
    const result = this.of(label).map(({ x, y, isPositive }, index) => ({
      id: String(index),
      type: "keypointlabels",
      is_positive: isPositive,
      value: { x: x * 100, y: y * 100, keypointlabels: [name] },
    }));
    return { result };
  }
}
