/** What was found, in the panel: labels with scores, times, words. */

import { byId, make } from "./elements.js";

const STEP_NAMES = {
  decode: "photo",
  words: "words",
  features: "features",
  decision: "decision",
  click: "click",
};

export function percent(share) {
  return share >= 0.1 ? `${Math.round(share * 100)}%` : `${(share * 100).toFixed(1)}%`;
}

/**
 * `answers`: label -> the answer to its clicks, whose score and share are shown instead.
 * `on`: { toggle(index, isShown), choose(index) }.
 */
export function showLabels(labels, isShown, chosen, answers, on) {
  byId("label-list").replaceChildren(
    ...labels.map((label, index) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = label.color;
      const byClicks = answers.get(index);
      const { score, share } = byClicks ?? label;
      const isFound = score !== null;
      const name = label.value;
      return make(
        "li",
        { class: `${isFound ? "" : "absent"} ${index === chosen ? "chosen" : ""}` },
        make("input", {
          type: "checkbox",
          checked: isShown[index],
          "aria-label": `Show ${name}`,
          onchange: (event) => on.toggle(index, event.target.checked),
        }),
        swatch,
        make(
          "button",
          {
            type: "button",
            class: "name",
            "aria-pressed": String(index === chosen),
            title: "Clicks are for this label",
            onclick: () => on.choose(index),
          },
          name,
        ),
        make(
          "span",
          { class: "score", title: "score, and share of the image" },
          isFound ? `${score.toFixed(2)} · ${percent(share)}` : absenceOf(label),
          byClicks ? make("span", { class: "by-clicks" }, "by clicks") : null,
        ),
      );
    }),
  );
}

/** What is expected to be more to mend than to draw is in no prediction; min_score: 0 shows it. */
function absenceOf({ left_out: score }) {
  return score === null ? "not found" : `${score.toFixed(2)}, left out`;
}

export function showTimes(seconds) {
  const steps = Object.entries(seconds);
  const total = steps.reduce((sum, [, one]) => sum + one, 0);
  const bar = make("div", { class: "bar", "aria-hidden": "true" });
  steps.forEach(([, one], step) => {
    const part = make("span", { class: `step-${step}` });
    part.style.flexGrow = String(one / (total || 1));
    bar.append(part);
  });
  const list = steps.map(([name, one], step) =>
    make("li", {}, make("i", { class: `step-${step}` }), `${STEP_NAMES[name]} ${timeOf(name, one)}`),
  );
  byId("time").replaceChildren(bar, make("ul", { class: "times" }, ...list));
}

/** Features and words that were asked for before take no time. */
function timeOf(name, seconds) {
  return name === "features" && seconds < 0.001 ? "at hand" : inMs(seconds);
}

export function inMs(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

export function showWords({ labels, background, negatives, method, refiner }) {
  const list = make("dl");
  const add = (term, words) => {
    if (words.length) list.append(make("dt", {}, term), make("dd", {}, words.join(", ")));
  };
  const isPlain = ({ value, words }) => words.join() === value.toLowerCase();
  add("Labels, by their names", labels.filter(isPlain).map((label) => label.value));
  for (const label of labels) {
    if (!isPlain(label)) add(label.value, label.words);
    add(`${label.value}, described as`, label.hint ? [label.hint] : []);
  }
  add("Background", background);
  add("Negatives: everyday words for what is in no label", negatives);
  add("Method, edges", [method, refiner]);
  byId("words").replaceChildren(list);
}

/** A sentence for all, read out by screen readers. */
export function summaryOf({ labels, seconds }) {
  const found = labels.filter((label) => label.score !== null);
  const total = Object.values(seconds).reduce((sum, one) => sum + one, 0);
  const names = found.map((label) => `${label.value} ${label.score.toFixed(2)}`).join(", ");
  const head = `${found.length} of ${labels.length} labels found in ${inMs(total)}`;
  const leftOut = labels.filter((label) => label.left_out !== null).map((label) => label.value);
  const rest = leftOut.length
    ? ` Left out, since drawing is expected to be less work than mending: ${leftOut.join(", ")}.`
    : "";
  if (found.length) return `${head}: ${names}.${rest}`;
  return `${head}.${rest} Other words may help, or another model.`;
}
