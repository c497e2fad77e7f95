/** Where photos come from: those that ship, a file, a drop, a paste. */

import { getBlob } from "./api.js";
import { byId, make } from "./elements.js";

/** `open(file, name)` takes a photo; `attempt(step)` says what goes wrong. */
export function offerPhotos(samples, open, attempt) {
  showSamples(samples, open, attempt);
  byId("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) open(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  acceptDrops(open);
}

function showSamples(samples, open, attempt) {
  const lists = samples.map((sample) => sample.labels.join(", "));
  byId("samples").replaceChildren(
    ...samples.map((sample, index) =>
      make(
        "button",
        {
          type: "button",
          title: `Photo: ${sample.author}`,
          onclick: () =>
            attempt(async () => {
              const blob = await getBlob(`page/samples/${sample.name}`);
              const typed = byId("labels").value.trim();
              if (!typed || lists.includes(typed)) byId("labels").value = lists[index];
              await open(blob, sample.alt);
            }),
        },
        make("img", { src: `page/samples/${sample.name}`, alt: sample.alt }),
        make("span", {}, lists[index]),
      ),
    ),
  );
}

function acceptDrops(open) {
  const stage = document.querySelector(".stage");
  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      stage.classList.toggle("over", type === "dragenter" || type === "dragover");
      if (type === "drop" && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) open(file);
  });
}
