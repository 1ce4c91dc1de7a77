// The inbox's keys, and what is typed but not sent yet: it stays in this tab until it is dealt
// with. Without this file every page and button still works.
(() => {
  "use strict";

  const UNDO = 10_000;
  const TYPED = ["subject", "body"];
  const inbox = document.getElementById("inbox");
  if (!inbox) return;
  const told = document.getElementById("inbox-told");
  const help = document.getElementById("inbox-help");
  const keys = document.getElementById("inbox-keys");
  let isFocusWanted = false;
  let timer = 0;

  const isShown = (element) => Boolean(element?.getClientRects().length);
  const form = () => document.getElementById("inbox-form");
  const heading = () => inbox.querySelector("[data-heading]");

  // What is typed

  const nameOf = (mail) => `inbox-draft-${mail}`;

  function typed(of) {
    return Object.fromEntries(TYPED.map((name) => [name, of.elements[name].value]));
  }

  function restore() {
    const current = form();
    if (!current) return;
    current.given = typed(current);
    const kept = sessionStorage.getItem(nameOf(current.dataset.mail));
    if (!kept) return;
    const before = JSON.parse(kept);
    if (TYPED.every((name) => before[name] === current.given[name])) return;
    for (const name of TYPED) current.elements[name].value = before[name];
    document.getElementById("inbox-restored").hidden = false;
  }

  function discard() {
    const current = form();
    for (const name of TYPED) current.elements[name].value = current.given[name];
    sessionStorage.removeItem(nameOf(current.dataset.mail));
    document.getElementById("inbox-restored").hidden = true;
    current.elements.body.focus();
  }

  inbox.addEventListener("input", (event) => {
    const current = form();
    if (current && current.contains(event.target) && TYPED.includes(event.target.name)) {
      sessionStorage.setItem(nameOf(current.dataset.mail), JSON.stringify(typed(current)));
    }
  });

  // What is said

  function say(text) {
    const box = document.createElement("div");
    box.className = "inbox-told inbox-bad";
    box.textContent = text;
    told.replaceChildren(box);
    mark("");
  }

  function countDown() {
    clearTimeout(timer);
    if (!told.querySelector("[data-undo]")) return;
    timer = setTimeout(() => {
      if (told.contains(document.activeElement)) heading()?.focus();
      told.replaceChildren();
    }, UNDO);
  }

  // A row that is being dealt with fades at once; it comes back where that fails.
  function mark(mail) {
    for (const row of inbox.querySelectorAll(".inbox-row")) {
      row.classList.toggle("inbox-leaving", row.dataset.mail === mail);
    }
  }

  function point() {
    const open = inbox.querySelector("[data-open]")?.dataset.open;
    for (const row of inbox.querySelectorAll(".inbox-row")) {
      if (row.dataset.mail === open) {
        row.setAttribute("aria-current", "true");
        row.scrollIntoView({ block: "nearest" });
      } else {
        row.removeAttribute("aria-current");
      }
    }
  }

  // HTMX

  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id === "inbox-form") mark(event.target.dataset.mail);
    isFocusWanted = event.detail.target.id === "inbox-mail";
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const request = event.detail.xhr;
    if (request.status < 400 && !request.getResponseHeader("X-Inbox")) {
      event.detail.shouldSwap = false;
      say(inbox.dataset.signedOut);
      return;
    }
    const settled = request.getResponseHeader("X-Settled");
    if (settled) sessionStorage.removeItem(nameOf(settled));
  });
  document.body.addEventListener("htmx:responseError", () => say(inbox.dataset.refused));
  document.body.addEventListener("htmx:sendError", () => say(inbox.dataset.failed));
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "inbox-list") point();
    if (event.detail.target.id !== "inbox-mail") return;
    inbox.classList.add("inbox-open");
    restore();
    point();
    countDown();
    if (isFocusWanted) {
      heading()?.focus({ preventScroll: true });
      scrollTo({ top: 0 });
    }
    isFocusWanted = false;
  });

  // Keys

  function go(step) {
    const rows = [...inbox.querySelectorAll(".inbox-row")];
    const at = rows.findIndex((row) => row.hasAttribute("aria-current"));
    // On a phone nothing is open beside the list: the first step opens what it points at.
    const isOpen = at >= 0 && isShown(inbox.querySelector("[data-open]"));
    const wanted = isOpen ? rows[at + step] : rows[Math.max(at, 0)];
    if (wanted) wanted.click();
    else if (step > 0) inbox.querySelector(".inbox-more a")?.click();
  }

  const acts = {
    j: () => go(1),
    k: () => go(-1),
    e: () => form()?.elements.body.focus(),
    "?": () => help.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || help.open) return;
    const isTyping = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (isTyping) {
      if (event.key === "Escape" && form()?.contains(event.target)) heading()?.focus();
      return;
    }
    if (!keys.checked || event.repeat) return;
    const button = /^[aiu]$/.test(event.key) && inbox.querySelector(`[data-key="${event.key}"]`);
    const act = button ? () => button.click() : acts[event.key];
    if (!act || (button && !isShown(button))) return;
    event.preventDefault();
    act();
  });

  // Who dictates, or uses a switch, may not want single letters to act (WCAG 2.1.4).
  keys.checked = localStorage.getItem("inbox-keys") !== "off";
  keys.addEventListener("change", () => {
    localStorage.setItem("inbox-keys", keys.checked ? "on" : "off");
  });
  inbox.addEventListener("click", (event) => {
    if (event.target.closest("[data-help]")) help.showModal();
    if (event.target.closest("[data-discard]")) discard();
  });

  restore();
  countDown();
})();
