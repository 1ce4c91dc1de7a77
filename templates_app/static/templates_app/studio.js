// The template studio: editors over the form's text areas, and a preview that follows them.
// Without it the form still saves, and the stored version is shown.
(() => {
  "use strict";

  const PAUSE = 300;
  const WIDTHS = { phone: 390, desktop: 800 };
  const DRAFT = ["subject", "source_format", "html_content", "text_content", "sample_data", "template_type", "tenant"];

  const studio = document.getElementById("studio");
  if (!studio) return;
  const form = studio.closest("form");
  const panel = document.getElementById("studio-panel");
  const result = document.getElementById("studio-result");
  const problems = document.getElementById("studio-problems");
  const state = document.getElementById("studio-state");
  const subject = document.getElementById("studio-subject");
  const host = document.getElementById("studio-host");
  const frameForm = document.getElementById("studio-frame");
  const phrases = JSON.parse(document.getElementById("studio-phrases").textContent);
  const editors = {};
  let frames = 0;
  let timer = 0;
  // What came back with an error is not saved.
  let isDirty = form.querySelector(".errors") !== null;

  // Editors

  const TAG = /^\{[{%#]/;

  // Template tags over HTML, MJML or plain text.
  CodeMirror.defineMode("mail-template", (config, options) => {
    const tags = {
      startState: () => ({ end: "" }),
      token(stream, state) {
        if (state.end) {
          if (stream.skipTo(state.end)) {
            stream.match(state.end);
            state.end = "";
          } else {
            stream.skipToEnd();
          }
          return "template-tag";
        }
        const opened = stream.match(TAG);
        if (opened) {
          state.end = { "{{": "}}", "{%": "%}", "{#": "#}" }[opened[0]];
          return "template-tag";
        }
        while (stream.next() != null && !stream.match(TAG, false));
        return null;
      },
    };
    return CodeMirror.overlayMode(CodeMirror.getMode(config, options.base), tags);
  });

  function modeOf(name) {
    if (name === "sample_data") return { name: "javascript", json: true };
    if (name === "text_content") return { name: "mail-template", base: "text/plain" };
    const format = form.elements.source_format;
    const isMjml = format && format.value === "mjml";
    return { name: "mail-template", base: isMjml ? { name: "xml", htmlMode: true } : "text/html" };
  }

  function edit(area) {
    const name = area.dataset.editor;
    const label = form.querySelector(`label[for="${area.id}"]`);
    const editor = CodeMirror.fromTextArea(area, {
      mode: modeOf(name),
      lineNumbers: name !== "text_content",
      lineWrapping: true,
      autoCloseTags: name === "html_content",
      matchBrackets: true,
      gutters: ["studio-marks", "CodeMirror-linenumbers"],
      inputStyle: "contenteditable", // what screen readers and zoom follow best
      spellcheck: name === "text_content",
      screenReaderLabel: label ? label.textContent.trim() : name,
      phrases,
      // Tab leaves the editor, so that nobody is caught in it (WCAG 2.1.2).
      extraKeys: { Tab: false, "Shift-Tab": false },
    });
    editor.getWrapperElement().classList.add(`studio-editor-${name}`);
    editor.on("change", () => {
      editor.save();
      changed();
    });
    editors[name] = editor;
    if (label) label.addEventListener("click", () => editor.focus());
    requestAnimationFrame(() => editor.refresh());
  }

  // Preview

  function changed() {
    isDirty = true;
    later();
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(render, PAUSE);
  }

  function render() {
    state.textContent = result.dataset.busy;
    htmx.trigger(result, "studio-changed");
  }

  function rendered() {
    const outcome = result.querySelector("[data-outcome]");
    const kind = outcome ? outcome.dataset.outcome : "refused";
    problems.replaceChildren(...result.querySelectorAll("[data-outcome=refused]"));
    state.textContent = kind === "refused" ? result.dataset.stale : "";
    panel.classList.toggle("is-stale", kind === "refused");
    panel.classList.toggle("is-empty", kind === "empty");
    mark();
    if (kind === "shown") {
      subject.textContent = result.querySelector("[data-subject]").textContent;
      draw();
    }
  }

  // A new frame takes the place of the old one when it is ready, so nothing flickers.
  function draw() {
    const html = result.querySelector("textarea[name=html]");
    if (!html) return;
    const old = host.querySelector("iframe:last-of-type");
    const next = old.cloneNode();
    next.removeAttribute("src");
    next.name = `studio-view-${++frames}`;
    next.classList.add("is-next");
    host.append(next);
    fit();
    const near = textBeforeCursor();
    frameForm.elements.near.value = near;
    frameForm.action = frameForm.action.replace(/#.*/, "") + (near ? "#here" : "");
    frameForm.target = next.name;
    frameForm.submit();
    next.addEventListener("load", () => {
      for (const frame of host.querySelectorAll("iframe")) {
        if (frame === next) break;
        frame.remove();
      }
      next.classList.remove("is-next");
    });
  }

  function textBeforeCursor() {
    const editor = editors.html_content;
    if (!editor) return "";
    const cursor = editor.getCursor();
    if (!cursor.line && !cursor.ch) return "";
    return editor.getRange({ line: Math.max(cursor.line - 30, 0), ch: 0 }, { line: cursor.line }).slice(-1500);
  }

  // A phone or a desktop is as wide as it is, drawn smaller where there is no room.
  function fit() {
    const width = WIDTHS[panel.dataset.width];
    const scale = Math.min(1, host.clientWidth / width) || 1;
    for (const frame of host.querySelectorAll("iframe")) {
      frame.style.width = `${width}px`;
      frame.style.height = `${host.clientHeight / scale}px`;
      frame.style.transform = `scale(${scale})`;
      frame.style.left = `${Math.max(0, (host.clientWidth - width * scale) / 2)}px`;
    }
  }

  // Lines

  function mark() {
    for (const editor of Object.values(editors)) {
      editor.clearGutter("studio-marks");
      editor.eachLine((line) => editor.removeLineClass(line, "background", "studio-error-line"));
    }
    for (const item of [...panel.querySelectorAll("li[data-line]")].reverse()) {
      const editor = editors[item.dataset.field];
      const line = Number(item.dataset.line) - 1;
      if (editor && line < editor.lineCount()) markLine(editor, line, item);
      if (editor) link(editor, line, item);
    }
  }

  function markLine(editor, line, item) {
    const level = item.dataset.level;
    const why = item.querySelector(".studio-why").textContent;
    const sign = document.createElement("span");
    sign.className = `studio-mark is-${level}`;
    sign.title = why;
    sign.setAttribute("role", "img");
    sign.setAttribute("aria-label", why);
    sign.textContent = level === "note" ? "i" : "!";
    editor.setGutterMarker(line, "studio-marks", sign);
    if (level === "error") editor.addLineClass(line, "background", "studio-error-line");
  }

  function link(editor, line, item) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "studio-jump";
    button.textContent = `${result.dataset.here} ${line + 1}`;
    button.addEventListener("click", () => {
      editor.focus();
      editor.setCursor({ line, ch: 0 });
      editor.scrollIntoView({ line, ch: 0 }, 120);
    });
    item.querySelector(".studio-line").replaceWith(button);
  }

  // Switches

  panel.addEventListener("click", (event) => {
    const button = event.target.closest("[data-set]");
    if (button) {
      panel.dataset[button.dataset.set] = button.dataset.value;
      for (const other of button.parentElement.children) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      fit();
    }
    if (event.target.closest("[data-complete]")) {
      editors.sample_data.setValue(result.querySelector("[data-completed]").value);
    }
  });
  document.getElementById("studio-client").addEventListener("change", draw);
  document.getElementById("studio-images").addEventListener("change", draw);

  result.addEventListener("htmx:afterSwap", rendered);
  for (const failure of ["htmx:responseError", "htmx:sendError"]) {
    result.addEventListener(failure, () => {
      state.textContent = result.dataset.failed;
    });
  }

  for (const kind of ["input", "change"]) {
    form.addEventListener(kind, (event) => {
      if (event.target.form !== form || !DRAFT.includes(event.target.name)) return;
      if (event.target.name === "source_format") editors.html_content.setOption("mode", modeOf("html_content"));
      changed();
    });
  }
  form.addEventListener("submit", () => {
    isDirty = false;
  });
  window.addEventListener("beforeunload", (event) => {
    if (isDirty) event.preventDefault();
  });
  window.addEventListener("resize", fit);

  document.documentElement.classList.add("has-studio");
  for (const area of form.querySelectorAll("textarea[data-editor]")) edit(area);
  fit();
  // htmx knows the page's elements from this event on.
  document.addEventListener("DOMContentLoaded", render);
})();
