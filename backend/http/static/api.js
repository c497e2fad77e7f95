/** Requests to the service that serves this page. Paths are relative, for proxies with a sub-path. */

/** An answer that is no success, in the service's own words. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused(0, "offline", "The service does not answer. Is it still running?");
  }
  if (response.ok) return response;
  let body = {};
  try {
    body = await response.json();
  } catch {
    // A proxy in between answers with a page of its own.
  }
  const message = body.message ?? `${response.status} ${response.statusText}`;
  throw new Refused(response.status, body.error ?? "http", message);
}

export async function getJson(path) {
  return (await ask(path)).json();
}

export async function getBlob(path) {
  return (await ask(path)).blob();
}

/** Sends bytes, such as a photo's. */
export async function post(path, body, type = "application/octet-stream") {
  const headers = { "Content-Type": type };
  return (await ask(path, { method: "POST", headers, body })).json();
}

export function postJson(path, value) {
  return post(path, JSON.stringify(value), "application/json");
}
