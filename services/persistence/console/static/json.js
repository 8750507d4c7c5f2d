// JSON as it was written. JSON.parse reads numbers as the browser has them: 12345678901234567890 and 1.10 would be shown as
// others than they are, so that what is shown is cut out of the text, and laid out as on the other pages (pretty.go).
"use strict";
window.theeye = window.theeye || {};
(() => {
  const tokens = /"(?:[^"\\]+|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g;
  const opens = (token) => token === "{" || token === "[";
  const closes = (token) => token === "}" || token === "]";

  // Texts are shown readable: escapes that need not be are none.
  const shown = (token) => (token[0] === '"' ? JSON.stringify(JSON.parse(token)) : token);

  // member cuts the value out that a path of names leads to; undefined: there is none.
  function member(text, ...names) {
    let depth = 0, found = 0, begin = -1, before = "", key = "";
    for (const { 0: token, index } of text.matchAll(tokens)) {
      if (token === ":") key = before;
      if (before === ":" && depth === found + 1 && key === JSON.stringify(names[found])) {
        found++;
        if (found === names.length) begin = index;
      }
      if (opens(token)) depth++;
      if (closes(token)) depth--;
      if (found && depth === found) return begin < 0 ? undefined : text.slice(begin, index + token.length);
      before = token;
    }
    return undefined;
  }

  // line is the beginning of a value, without spaces.
  function line(raw, length) {
    let text = "";
    for (const [token] of raw.matchAll(tokens)) {
      text += shown(token);
      if (text.length > length) break;
    }
    return text.slice(0, length);
  }

  // lines is a value over several.
  function lines(raw) {
    let text = "", indent = "", before = "";
    for (const [token] of raw.matchAll(tokens)) {
      if (closes(token)) {
        indent = indent.slice(2);
        if (!opens(before)) text += "\n" + indent;
      } else if (opens(before) || before === ",") {
        text += "\n" + indent;
      }
      text += token === ":" ? ": " : shown(token);
      if (opens(token)) indent += "  ";
      before = token;
    }
    return text;
  }

  window.theeye.json = { member, line, lines };
})();
