// The live tail: what the API tells, as it tells it (follow.js, json.js). The list is bounded; what it leaves out, and what
// the API could not tell, is said.
"use strict";
(() => {
  const kept = 200; // rows: more than anybody reads while they move
  const waiting = 1000; // that come during a pause
  const painted = 150; // milliseconds between changes of the page
  const outcomes = ["stored", "duplicate", "conflict", "failed", "refused"];
  const box = document.getElementById("tail");
  if (!box) return; // what was asked for cannot be listened to: the page says why
  const list = document.getElementById("tail-list");
  const empty = document.getElementById("tail-empty");
  const state = document.getElementById("tail-state");
  const note = document.getElementById("tail-note");
  const said = document.getElementById("tail-said");
  const pause = document.getElementById("tail-pause");
  const clear = document.getElementById("tail-clear");
  const applications = JSON.parse(list.dataset.applications || "{}");
  const { member, line, lines } = theeye.json;
  let paused = false, queue = [], dropped = 0, missed = 0, lost = "", told = 0, seen = new Set(), timer = 0, away = "";

  function show(word, kind) {
    if (state.textContent === word) return;
    state.textContent = word;
    state.className = "tag " + kind;
  }

  function make(name, kind, text) {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  const clock = (at) => (at || "").replace("T", " ").slice(0, 23);

  function address(base, id, query) {
    const odd = /^\.+$|[/\\]/.test(id); // as in href of api.go
    const parameters = new URLSearchParams(query);
    if (odd) parameters.set("id", id);
    const text = parameters.toString();
    return base + "/" + (odd ? "-" : encodeURIComponent(id)) + (text ? "?" + text : "");
  }

  function link(to, text) {
    const a = make("a", "", text);
    a.href = to;
    return a;
  }

  function row({ message, text: told }) {
    const thing = message.event || message.failure;
    const data = message.event && member(told, "event", "data");
    const text = message.event ? line(data || "", 200) : message.failure.code + ": " + message.failure.detail;
    const item = make("li", "fresh"), details = make("details"), summary = make("summary"), inside = make("div", "inside");
    const time = make("time", "", clock(thing.received_at));
    time.dateTime = thing.received_at;
    time.title = new Date(thing.received_at).toLocaleString();
    const columns = [["c-time", time], ["c-outcome", make("span", "tag " + message.outcome, message.outcome)],
      ["c-app", make("span", "app " + ((applications[thing.application] || {}).hue || ""), (applications[thing.application] || {}).title || thing.application || "unknown")]];
    const type = make("span", "c-type");
    type.append(make("b", "", thing.name || ""), " ", make("span", "dim", thing.category || thing.event_id || ""));
    for (const [kind, content] of columns) {
      const column = make("span", kind);
      column.append(content);
      summary.append(column);
    }
    summary.append(type, make("span", "c-session", thing.session_id || ""), make("span", "c-data", text.slice(0, 200)));
    const links = make("p", "links");
    if (message.event) {
      links.append(link(address("/sessions", thing.session_id), "The whole session"), " ", link(address("/events", thing.id, { application: thing.application }), "This event's page"));
    } else {
      links.append(link(address("/failures", thing.id), "This failure's page"));
    }
    const pre = make("pre");
    pre.tabIndex = 0;
    details.addEventListener("toggle", () => { // few are opened
      if (message.omitted) pre.textContent = "It is too large for the live tail; its page has it.";
      else pre.textContent = message.event ? lines(data || "") || "It has no data." : thing.original || thing.original_base64 || "";
    }, { once: true });
    inside.append(links, pre);
    details.append(summary, inside);
    item.append(details);
    return item;
  }

  function paint() {
    timer = 0;
    if (!paused && queue.length) {
      const fresh = document.createDocumentFragment();
      const batch = queue.slice(-kept).reverse();
      told += queue.length;
      for (const one of batch) fresh.append(row(one));
      list.prepend(fresh);
      while (list.children.length > kept) list.lastElementChild.remove();
      said.textContent = queue.length === 1 ? "One outcome more" : queue.length + " outcomes more";
      queue = [];
      empty.hidden = true;
    }
    remark();
  }

  function remark() {
    const words = [];
    if (away) words.push(away);
    if (paused) words.push(queue.length + " wait" + (dropped ? ", and " + dropped + " more are left out" : ""));
    else if (told > kept) words.push(told + " were told; the newest " + kept + " are shown");
    if (!paused && dropped) words.push(dropped + " are left out: too many came during the pause");
    if (missed || lost) words.push((missed ? missed + " outcomes" : "Some outcomes") + " were missed" + lost);
    note.hidden = !words.length;
    const text = words.join(". ") + (words.length ? "." : "");
    if (note.textContent !== text) note.textContent = text;
  }

  const soon = () => { timer = timer || setTimeout(paint, painted); };

  function take(text) {
    const message = JSON.parse(text);
    const thing = message.event || message.failure;
    const key = message.outcome + " " + (thing.sequence || thing.id); // one may be told again
    if (seen.has(key)) return;
    seen.add(key);
    if (seen.size > 5000) seen = new Set([...seen].slice(-2500));
    queue.push({ message, text });
    if (paused && queue.length > waiting) {
      queue.shift();
      dropped++;
    }
    soon();
  }

  const reasons = { slow: ": this browser was too slow", late: ": it was away for too long", lost: ": they could not be announced" };
  const listening = () => show(paused ? "paused" : "live", paused ? "paused" : "live");
  const reason = (problem) => (problem.detail ? problem.title + ": " + problem.detail : problem.title || "it does not say why");

  const hear = {
    live() {
      if (away) said.textContent = "The live tail goes on.";
      away = "";
      listening();
      remark();
    },
    event(type, data) {
      if (outcomes.includes(type)) take(data);
      if (type !== "missed") return;
      const m = JSON.parse(data);
      missed += m.count || 0;
      lost = reasons[m.reason] || "";
      soon();
    },
    away(problem, gap) {
      if (gap) lost = ": the live tail was away before it had told where it was";
      away = problem?.code === "service.shutting_down" ? "" : "The live tail is away, and asked again" + (problem ? " (" + reason(problem) + ")" : "");
      show("connecting", "running");
      remark();
    },
    over(problem) {
      away = "";
      show("ended", "lost");
      remark();
      refuse("The live tail has ended. " + reason(problem) + ".", problem.status === 401);
    },
  };

  function refuse(text, nobody) {
    const problem = make("div", "problem");
    problem.setAttribute("role", "alert");
    const words = make("p", "", text);
    if (nobody) words.append(" ", link("/login?" + new URLSearchParams({ next: location.pathname + location.search }), "Log in"));
    problem.append(words);
    box.before(problem);
  }

  pause.hidden = clear.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    if (state.textContent === "live" || state.textContent === "paused") listening();
    soon();
  });
  clear.addEventListener("click", () => {
    list.replaceChildren();
    queue = [];
    dropped = missed = told = 0;
    lost = "";
    empty.hidden = false;
    remark();
  });
  theeye.follow(box.dataset.stream, hear);
})();
