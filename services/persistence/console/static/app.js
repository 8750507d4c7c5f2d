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
  document.addEventListener("htmx:beforeSwap", (event) => {
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

  // A part of a page is HTML of the console; anything else that an address may lead to is somebody's data.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!/^text\/html\b/.test(event.detail.xhr.getResponseHeader("Content-Type") || "")) event.detail.shouldSwap = false;
  });

  // What cannot be fetched at all is said where it was asked for, until something can be again.
  document.addEventListener("htmx:beforeSwap", () => document.querySelectorAll(".away").forEach((away) => away.remove()));
  document.addEventListener("htmx:sendError", (event) => {
    const at = event.detail.elt;
    if (at.parentElement.querySelector(":scope > .away")) return;
    const problem = document.createElement("p");
    problem.className = "problem away";
    problem.setAttribute("role", "alert");
    problem.textContent = "TheEye cannot be reached. Try again in a moment.";
    at.before(problem);
  });
})();
