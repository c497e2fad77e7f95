/** What runs, what is degraded, which projects there are, and how to connect. */

import { getJson, postJson } from "./api.js";
import { byId, copy, make } from "./elements.js";

const AGAIN_MS = { loading: 1500, other: 15000 };
const STATES = {
  ready: (ready) => `Ready: ${ready.model} on ${ready.device}`,
  loading: () => "The model is loading …",
  failed: () => "The model cannot be loaded",
};

export async function startStatus() {
  byId("check").addEventListener("click", check);
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(button, byId(button.dataset.copy)));
  }
  await refresh();
}

async function refresh() {
  let wait = AGAIN_MS.other;
  if (!document.hidden) {
    try {
      const status = await getJson("page/status");
      show(status);
      if (status.ready.status === "loading") wait = AGAIN_MS.loading;
    } catch (error) {
      setState("failed", error.message);
    }
  }
  setTimeout(refresh, wait);
}

function setState(kind, text) {
  const state = byId("state");
  if (state.textContent !== text) state.textContent = text; // else it would be read out again
  state.className = `pill ${kind}`;
}

function show(status) {
  const { ready } = status;
  setState(ready.status, STATES[ready.status](ready));
  showConnect(status.connect);
  showProjects(status);
  const store = ready.store;
  const facts = {
    Model: ready.model_version ?? ready.message ?? "loading",
    Device: ready.device && `${ready.device}, ${ready.precision}`,
    Store: `${store.kind} at ${store.address}${store.up ? "" : ", down"}`,
    Learning: status.learning.is_on
      ? `on: a new version after ${status.learning.learn_every} changed annotations, or at Start Training`
      : "off (LEARN=off)",
  };
  const background = ready.background ?? [];
  if (background.length) facts.Background = background.map(backgroundText).join("; ");
  byId("facts").replaceChildren(
    ...Object.entries(facts)
      .filter(([, text]) => text)
      .flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]),
  );
  const sentences = ready.degraded.map((text) => make("li", {}, text));
  byId("degraded").replaceChildren(...orNothing(sentences, "Nothing."));
  byId("failures").replaceChildren(...orNothing(ready.failures.map(failureItem), "Nothing."));
}

function backgroundText({ project, tasks, done, failed }) {
  const failures = failed ? `, ${failed} failed` : "";
  return `project ${numberOf(project)}: ${done} of ${tasks} tasks done${failures}`;
}

function orNothing(items, text) {
  return items.length ? items : [make("li", { class: "quiet" }, text)];
}

function failureItem({ project, during, count, message, last_s: last }) {
  const when = new Date(last * 1000).toLocaleTimeString();
  const who = /^\d/.test(project) ? `Project ${numberOf(project)}` : "Label Studio";
  const times = count > 1 ? `${count} times, last ${when}` : when;
  const what = { setup: "setting up", predict: "predicting", learn: "learning" }[during] ?? during;
  return make("li", {}, make("span", { class: "quiet meta" }, `${who}, ${what}, ${times}`), message);
}

function showConnect({ is_local: isLocal, port, has_password: hasPassword }) {
  const here = new URL(".", location.href).href.replace(/\/$/, "");
  byId("address").textContent = here;
  byId("password-note").hidden = !hasPassword;
  byId("address-note").textContent = isLocal
    ? "Only programs on this machine reach this address. For a Label Studio in Docker start this " +
      `service with HOST=0.0.0.0, and paste http://host.docker.internal:${port} instead.`
    : "This is the address as your browser sees it. Where Label Studio sees this machine by another " +
      `name, paste that, with port ${port}.`;
}

function showProjects({ projects, ready, learning }) {
  if (!projects.length) {
    const text = "None yet: a project appears here when Label Studio asks for the first time.";
    byId("project-list").replaceChildren(make("p", { class: "quiet" }, text));
    return;
  }
  const columns = ["Project", "Version", "Learned from", "Agreement with people", "Last failure"];
  const head = make("tr", {}, ...columns.map((name) => make("th", { scope: "col" }, name)));
  const rows = projects.map((project) => {
    const cells = [
      make("a", { href: project.url, rel: "noreferrer" }, `Project ${numberOf(project.project)}`),
      project.model_version ?? "the model is loading",
      learned(project, learning),
      agreement(ready.agreement.filter((one) => one.project === project.project)),
      lastFailure(ready.failures.filter((one) => one.project === project.project)),
    ];
    return make("tr", {}, ...cells.map((cell, n) => make("td", { "data-name": columns[n] }, cell)));
  });
  byId("project-list").replaceChildren(
    make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)),
  );
}

function learned({ annotations, changes, versions }, { is_on: isOn, learn_every: every }) {
  if (!annotations) return isOn ? "nothing yet" : "nothing (LEARN=off)";
  const waiting = changes ? `; ${changes} of ${every} changes for the next version` : "";
  return `${annotations} annotations, ${versions.length} versions${waiting}`;
}

function agreement(rows) {
  if (!rows.length) return "no annotation compared yet";
  const list = rows.slice(0, 3).map((row) =>
    make(
      "div",
      { title: row.model_version },
      `IoU ${row.iou.toFixed(2)} of ${row.annotations} annotations`,
      make("span", { class: "quiet" }, ` (${row.model_version.split("-")[0]})`),
    ),
  );
  return make("div", {}, ...list);
}

function lastFailure(failures) {
  return failures.length ? failures[0].message : "none";
}

function numberOf(project) {
  return project.split(".")[0];
}

async function check() {
  const button = byId("check");
  button.disabled = true;
  byId("checks").replaceChildren(make("p", { class: "quiet" }, "Checking …"));
  try {
    const { checks } = await postJson("page/check", {});
    byId("checks").replaceChildren(make("ul", { class: "checks" }, ...checks.map(checkItem)));
  } catch (error) {
    byId("checks").replaceChildren(make("p", { class: "notice" }, error.message));
  }
  button.disabled = false;
}

function checkItem({ name, ok, found, remedy }) {
  const [kind, mark] = ok ? ["ok", "ok"] : ok === false ? ["bad", "fails"] : ["open", "look"];
  return make(
    "li",
    {},
    make("span", { class: `mark ${kind}` }, mark),
    make("span", {}, make("strong", {}, `${name}: `), found),
    remedy ? make("span", { class: "cure quiet" }, `Cure: ${remedy}`) : null,
  );
}
