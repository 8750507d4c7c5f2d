// What is better with JavaScript on every page: the theme, and the viewer's own time beside UTC.
"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  const shown = () => root.dataset.theme || "auto";

  function choose(theme) {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    try {
      if (theme === "auto") localStorage.removeItem("theme"); else localStorage.setItem("theme", theme);
    } catch { /* it holds for this page */ }
    button.textContent = "Theme: " + theme;
    document.dispatchEvent(new Event("theme"));
  }

  button.textContent = "Theme: " + shown();
  button.hidden = false;
  button.addEventListener("click", () => choose(themes[(themes.indexOf(shown()) + 1) % themes.length]));

  // A time's title says how long ago it was when the page was made; the viewer's own clock comes before it.
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  function localise(within) {
    for (const time of within.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(time.dateTime);
      if (isNaN(at)) continue;
      time.dataset.local = "";
      time.title = local.format(at) + (time.title ? " (" + time.title + ")" : "");
    }
  }
  localise(document);
  document.addEventListener("htmx:load", (event) => localise(event.detail.elt));

  // What was fetched behind a button leaves the focus where reading goes on.
  const passes = (xhr) => xhr.status === 429 || xhr.status >= 500;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (passes(event.detail.xhr)) return;
    const more = event.detail.target.closest(".more");
    if (more && more.contains(document.activeElement)) more.parentElement.dataset.resume = more.parentElement.children.length - 1;
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const list of document.querySelectorAll("[data-resume]")) {
      const next = list.children[Number(list.dataset.resume)];
      delete list.dataset.resume;
      (next?.querySelector("a[rel=next], summary") || next?.querySelector("a, button"))?.focus();
    }
  });

  // A part of a page is HTML of the console; anything else that an address may lead to is somebody's data. What cannot be had
  // just now takes the place of nothing: what is shown stays, and beside it stands why.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (passes(xhr)) {
      event.detail.shouldSwap = false;
      trouble(requestConfig.elt, told(xhr), 1000 * (Number(xhr.getResponseHeader("Retry-After")) || 0));
      return;
    }
    over(requestConfig.elt);
    if (!/^text\/html\b/.test(xhr.getResponseHeader("Content-Type") || "")) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:sendError", (event) => trouble(event.detail.elt, "TheEye cannot be reached", 0));

  // Why, as the answer has it.
  function told(xhr) {
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    return page.querySelector(".problem p")?.textContent.trim() || "TheEye answers with the status " + xhr.status;
  }

  const longest = 30000; // milliseconds between two questions of a page that asks by itself
  const notes = new WeakMap(); // what stands beside an element, and when it is asked for again
  const asksItself = (element) => /^every /.test(element.getAttribute("hx-trigger") || "");

  function trouble(element, why, wait) {
    const known = notes.get(element) || { note: document.createElement("div"), failed: 0, until: 0 };
    notes.set(element, known);
    const itself = asksItself(element);
    if (itself) {
      const grown = Math.max(wait, Math.min(longest, 500 * 2 ** known.failed++));
      known.until = performance.now() + grown * (0.5 + Math.random() / 2);
    }
    const text = itself ? why + ". This is as of " + element.dataset.asOf + ", and is asked again." : why + ". Try again in a moment.";
    if (known.note.isConnected && known.note.firstChild.textContent === text) return;
    known.note.className = "problem away";
    known.note.setAttribute("role", itself ? "status" : "alert");
    const words = document.createElement("p");
    words.textContent = text;
    known.note.replaceChildren(words);
    if (!itself && !element.matches("a, button")) known.note.append(again(element));
    element.before(known.note);
  }

  // again is a button for what is fetched without one.
  function again(element) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Try again";
    button.addEventListener("click", () => htmx.trigger(element, "again"));
    return button;
  }

  function over(element) {
    const known = notes.get(element);
    if (known) known.note.remove();
    notes.delete(element);
  }

  // A page that asks by itself takes its time while there is no answer, and knows from when is what it shows.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const known = notes.get(event.detail.elt);
    if (known && performance.now() < known.until) event.preventDefault();
  });
  function date(within) {
    const now = new Date().toISOString().slice(11, 19) + " UTC";
    for (const element of [within, ...within.querySelectorAll("[hx-trigger]")]) {
      if (element.matches("[hx-trigger]:not([data-as-of])") && asksItself(element)) element.dataset.asOf = now;
    }
  }
  date(document.body);
  document.addEventListener("htmx:load", (event) => date(event.detail.elt));
})();
