/** Starts the parts of the page. */

import { byId } from "./elements.js";
import { startPlayground } from "./playground.js";
import { startStatus } from "./status.js";

startStatus();
startPlayground().catch((error) => {
  byId("problem").textContent = error.message;
  byId("problem").hidden = false;
});
