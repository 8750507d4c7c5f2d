// Follows server-sent events. EventSource would do, if it did not give up for ever at the first answer that is no stream:
// 502, 503 and 429 are what load balancers and replicas say for a moment. Here they are tried again, with pauses that grow
// and differ from browser to browser, and behind the last id that was told. It ends where trying again is no use.
"use strict";
window.theeye = window.theeye || {};
(() => {
  const shortest = 1000, longest = 30000; // milliseconds of a pause
  const silence = 45000; // without a word, of which there is one every 15 s (heartbeat in tail_http.go): the connection is dead
  const steady = 10000; // after that long a connection was a good one, and pauses begin anew

  const passes = (status) => status === 408 || status === 425 || status === 429 || status >= 500;

  // reader makes events of text, as the HTML standard says.
  function reader(tell) {
    let rest = "", id, type = "", data = [];
    function field(name, value) {
      if (name === "data") data.push(value);
      if (name === "event") type = value;
      if (name === "id" && !value.includes("\0")) id = value;
    }
    return (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const whole of lines) {
        const line = whole.endsWith("\r") ? whole.slice(0, -1) : whole;
        const colon = line.indexOf(":");
        if (line === "") {
          tell(type, data.length ? data.join("\n") : undefined, id);
          type = "";
          data = [];
        } else if (colon < 0) {
          field(line, "");
        } else {
          field(line.slice(0, colon), line.slice(colon + (line[colon + 1] === " " ? 2 : 1)));
        }
      }
    };
  }

  async function problemOf(answer) {
    if (answer.type === "opaqueredirect") return { title: "You are not logged in any more", detail: "load the page again" };
    try {
      if (/json/.test(answer.headers.get("Content-Type"))) return await answer.json();
    } catch { /* it says what its status says */ }
    return { title: answer.ok ? "Something else answers than the live tail" : "The answer has the status " + answer.status, detail: "load the page again" };
  }

  const parsed = (text) => {
    try { return JSON.parse(text); } catch { return {}; }
  };

  // follow begins at once. hear.live() and hear.event(type, data) tell what comes, hear.away(problem, gap) that it is tried
  // again (gap: what comes meanwhile will not be told), hear.over(problem) that it is not.
  function follow(address, hear) {
    let place = "", failed = 0, timer = 0, connection = null, over = false;

    function end(problem) {
      over = true;
      hear.over(problem);
    }

    function pause(problem, gap, least) {
      const grown = Math.min(longest, shortest * 2 ** failed++);
      const wait = Math.max(grown / 2, least) + Math.random() * Math.max(grown, least) / 2;
      hear.away(problem, gap);
      timer = setTimeout(connect, wait);
    }

    // receive reads until the stream ends, and returns why it did, if that was said.
    async function receive(answer, alive) {
      let why = null;
      const decoder = new TextDecoder();
      const read = reader((type, data, id) => {
        if (type === "end") why = parsed(data);
        else if (data !== undefined) hear.event(type, data);
        if (id !== undefined) place = id;
      });
      const body = answer.body.getReader();
      try {
        for (let got, live = false; !why && !(got = await body.read()).done; live = true) {
          alive();
          if (!live) hear.live(); // with the first word, which has a place to go on from
          read(decoder.decode(got.value, { stream: true }));
        }
      } catch { /* it was cut off, and is tried again */ }
      return why;
    }

    async function connect() {
      clearTimeout(timer);
      connection = new AbortController();
      const own = connection;
      let guard = 0, problem = null, least = 0, gap = false;
      const alive = () => {
        clearTimeout(guard);
        guard = setTimeout(() => own.abort(), silence);
      };
      alive();
      try {
        const headers = { Accept: "text/event-stream" };
        if (place) headers["Last-Event-ID"] = place;
        const answer = await fetch(address, { headers, cache: "no-store", redirect: "manual", signal: own.signal });
        if (answer.status === 200 && /^text\/event-stream\b/.test(answer.headers.get("Content-Type"))) {
          const begun = performance.now();
          problem = await receive(answer, alive);
          gap = !place;
          if (problem?.code === "service.shutting_down" || performance.now() - begun > steady) failed = 0;
          if (problem && !passes(problem.status)) over = true;
        } else {
          problem = await problemOf(answer);
          least = 1000 * (Number(answer.headers.get("Retry-After")) || 0);
          over = !passes(answer.status);
        }
      } catch { /* nobody answers: it is tried again */ }
      clearTimeout(guard);
      own.abort();
      if (own !== connection) return; // it was stopped
      if (over) end(problem);
      else pause(problem, gap, Math.min(least, longest));
    }

    function stop() {
      clearTimeout(timer);
      const own = connection;
      connection = null;
      own?.abort();
    }

    addEventListener("pagehide", stop);
    addEventListener("pageshow", (event) => { if (event.persisted && !over) connect(); });
    addEventListener("online", () => {
      if (over || !connection?.signal.aborted) return; // it goes on, or is being tried
      failed = 0;
      connect();
    });
    connect();
  }

  window.theeye.follow = follow;
})();
