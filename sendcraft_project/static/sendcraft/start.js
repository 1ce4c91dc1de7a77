// What the start page says when it can't refresh its parts; htmx itself fetches and places them.
(() => {
  "use strict";

  const button = document.getElementById("start-refresh");
  if (!button) return;
  const said = document.getElementById("start-said");

  // Said once: a live region that is written anew is read aloud anew.
  function say(text) {
    if (said.textContent !== text) said.textContent = text;
  }

  // Whatever else answers in its place, such as a proxy's page, is no part of this one.
  button.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.xhr.getResponseHeader("X-Start-Page")) event.detail.shouldSwap = false;
  });
  button.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
    if (xhr.status === 401 || xhr.status === 403) say(button.dataset.signedOut);
    else if (xhr.status === 200 && xhr.getResponseHeader("X-Start-Page")) say("");
    else say(button.dataset.failed);
  });
})();
