/** The playground: a photo and labels in, masks out, clicks to correct them. */

import { getBlob, getJson, post, postJson } from "./api.js";
import { Clicks } from "./clicks.js";
import { byId, copy, make } from "./elements.js";
import { decodeRuns, rgbOf } from "./label_maps.js";
import { offerPhotos } from "./photo_sources.js";
import { Picture } from "./picture.js";
import { inMs, percent, showLabels, showTimes, showWords, summaryOf } from "./results.js";

const main = new Picture(byId("main-picture"));
const other = new Picture(byId("other-picture"));

let photo = null; // { blob, name, id, width, height, seconds }
let found = null; // the last answer of the service, of the labels in it
let isShown = []; // by label
let chosen = 0; // the label that clicks are for
const clicks = new Clicks();
let turn = 0; // of questions for masks: the answer to an earlier one is dropped
let clickTurn = 0; // of questions for clicks, likewise

export async function startPlayground() {
  main.makeClickable(addClick);
  const options = await getJson("page/options");
  offerPhotos(options.samples, open, attempt);
  fillSelect("method", options.methods, options.method);
  fillSelect("refiner", ["", ...options.refiners], "", { "": "as the method has it" });
  fillSelect("compare", ["", "none", ...options.methods], "", {
    "": "with nothing",
    none: "without refined edges",
  });
  byId("controls").addEventListener("submit", (event) => (event.preventDefault(), run()));
  byId("labels").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  });
  for (const id of ["method", "refiner", "compare"]) {
    byId(id).addEventListener("change", () => found && run());
  }
  byId("other-photo").addEventListener("click", showExamples);
  byId("opacity").addEventListener("input", draw);
  byId("undo").addEventListener("click", undoClick);
  byId("clear").addEventListener("click", clearClicks);
  byId("copy-config").addEventListener("click", ({ target }) => copy(target, byId("config")));
}

function fillSelect(id, values, value, names = {}) {
  byId(id).replaceChildren(
    ...values.map((one) => make("option", { value: one, selected: one === value }, names[one] ?? one)),
  );
}

/** Runs a step; what goes wrong is said on the page. */
async function attempt(step) {
  byId("problem").hidden = true;
  try {
    return await step();
  } catch (error) {
    byId("problem").textContent = error.message;
    byId("problem").hidden = false;
    byId("said").textContent = "";
    return null;
  }
}

async function open(blob, name = blob.name ?? "your photo") {
  await attempt(async () => {
    byId("said").textContent = "Opening the photo …";
    const answer = await post("page/photo", blob);
    photo = { ...answer, blob, name };
    const url = URL.createObjectURL(await getBlob(`page/photo/${answer.photo}`));
    for (const picture of [main, other]) picture.setPhoto(url, name, answer.width, answer.height);
    forgetResult();
    byId("drop").hidden = true;
    byId("pictures").hidden = false;
    byId("other-photo").hidden = false;
    byId("said").textContent = "Type labels, then find masks.";
    if (byId("labels").value.trim()) await run();
    else byId("labels").focus();
  });
}

function showExamples() {
  byId("drop").hidden = false;
  byId("pictures").hidden = true;
  byId("other-photo").hidden = true;
}

function forgetResult() {
  found = null;
  clickTurn++;
  clicks.reset();
  main.showClicks([]);
  byId("result").hidden = true;
  byId("other-picture").hidden = true;
  byId("pictures").classList.remove("two");
  main.caption.textContent = "";
}

/** Asks for masks; a photo that the service does not keep any more is sent again. */
async function askAbout(path, question) {
  try {
    return await postJson(path, { photo: photo.photo, ...question });
  } catch (error) {
    if (error.code !== "photo_gone") throw error;
    photo = { ...photo, ...(await post("page/photo", photo.blob)) };
    return postJson(path, { photo: photo.photo, ...question });
  }
}

function settings() {
  const [method, refiner] = [byId("method").value, byId("refiner").value];
  return refiner ? { method, refiner } : { method };
}

async function run() {
  if (!photo) {
    byId("said").textContent = "Choose a photo first.";
    return;
  }
  const mine = ++turn;
  const labels = byId("labels").value;
  const compared = byId("compare").value;
  main.setBusy(true);
  byId("run").disabled = true;
  byId("said").textContent = "Looking for the labels …";
  await attempt(async () => {
    const answer = await askAbout("page/segment", { labels, extra_params: settings() });
    if (mine !== turn) return;
    showResult(answer);
    await compare(labels, compared, mine);
  });
  if (mine === turn) {
    main.setBusy(false);
    byId("run").disabled = false;
  }
}

async function compare(labels, compared, mine) {
  byId("other-picture").hidden = !compared;
  byId("pictures").classList.toggle("two", Boolean(compared));
  if (!compared) return;
  other.setMap(null);
  other.caption.textContent = "";
  other.setBusy(true);
  const own = compared === "none" ? { ...settings(), refiner: "none" } : { method: compared };
  try {
    const answer = await askAbout("page/segment", { labels, extra_params: own });
    if (mine !== turn) return;
    other.setMap(decodeRuns(answer.map));
    other.caption.textContent = captionOf(answer);
    draw();
  } finally {
    other.setBusy(false);
  }
}

function captionOf({ method, refiner, seconds }) {
  return `${method}, edges: ${refiner}, ${inMs(seconds.features + seconds.decision)}`;
}

function showResult(answer) {
  const isSame = found && found.label_config === answer.label_config;
  if (!isSame) {
    isShown = answer.labels.map(() => true);
    chosen = Math.max(answer.labels.findIndex((label) => label.score !== null), 0);
  }
  found = { ...answer, colors: answer.labels.map((label) => rgbOf(label.color)) };
  clickTurn++;
  clicks.reset();
  main.setMap(decodeRuns(answer.map));
  main.caption.textContent = captionOf(answer);
  byId("config").value = answer.label_config;
  byId("result").hidden = false;
  showWords(answer);
  showTimes({ decode: photo.seconds.decode, ...answer.seconds });
  byId("said").textContent = summaryOf(answer);
  refresh();
}

function refresh() {
  showLabels(found.labels, isShown, chosen, clicks.answers, {
    toggle: (index, isOn) => {
      isShown[index] = isOn;
      draw();
    },
    choose: (index) => {
      chosen = index;
      refresh();
      byId("label-list").children[index].querySelector("button").focus();
    },
  });
  const own = clicks.of(chosen);
  main.showClicks(own);
  byId("undo").disabled = byId("clear").disabled = !own.length;
  draw();
}

function draw() {
  if (!found) return;
  const opacity = byId("opacity").value / 100;
  const { colors } = found;
  main.draw({ colors, isShown, opacity }, clicks.maps);
  other.draw({ colors, isShown, opacity });
}

function addClick(x, y, isPositive) {
  if (!found) return;
  const isAdding = document.querySelector("input[name=sign]:checked").value === "add";
  clicks.add({ label: chosen, x, y, isPositive: isPositive ?? isAdding });
  isShown[chosen] = true;
  askClicks();
}

function undoClick() {
  clicks.undo(chosen);
  if (clicks.of(chosen).length) askClicks();
  else clearClicks();
}

function clearClicks() {
  clickTurn++;
  main.setBusy(false);
  clicks.clear(chosen);
  byId("said").textContent = "The clicks are cleared.";
  refresh();
}

/** Asks for the region of all clicks of the chosen label. */
async function askClicks() {
  refresh();
  const label = chosen;
  const mine = ++clickTurn;
  const { name, value } = found.labels[label];
  main.setBusy(true);
  await attempt(async () => {
    const answer = await askAbout("page/click", {
      labels: found.label_config,
      extra_params: settings(),
      context: clicks.context(label, name),
    });
    if (mine !== clickTurn) return;
    clicks.setAnswer(label, answer);
    const about = `${value}: ${percent(answer.share)} of the image, score ${answer.score.toFixed(2)}`;
    byId("said").textContent = `${about}, answered in ${inMs(answer.seconds.click)}.`;
    refresh();
  });
  if (mine === clickTurn) main.setBusy(false);
}
