"use strict";
// Every page works without this: it adds following, copying and the keyboard. Texts become nodes of text, never HTML.

const rows = document.querySelector("#rows tbody");
const MOST_ROWS = 500;

function cell(label, ...nodes) {
  const made = document.createElement("td");
  made.dataset.label = label;
  made.append(...nodes);
  return made;
}

function element(name, kind, text) {
  const made = document.createElement(name);
  made.className = kind;
  made.textContent = text;
  return made;
}

function anchor(path, text, kind) {
  const made = element("a", kind, text);
  made.href = path;
  return made;
}

function row(told) {
  const made = document.createElement("tr");
  const time = element("time", "", told.time);
  time.dateTime = told.moment;
  const results = ["pass", "fail", "temperror", "permerror"];
  const result = results.includes(told.dmarc) ? told.dmarc : "none";
  const done = cell("done", element("span", `done d-${told.action}`, told.done));
  if (told.mark) done.append(" ", element("span", "aside", told.mark));
  const from = told.from
    ? anchor(`/domains/${encodeURIComponent(told.from)}`, told.from, "")
    : element("span", "aside", "(no usable From)");
  made.append(
    cell("time", time), done, cell("DMARC", element("span", `result r-${result}`, told.dmarc)),
    cell("SPF", told.spf), cell("DKIM", told.dkim), cell("From", from), cell("client", told.client),
    cell("queue id", anchor(`/messages/${encodeURIComponent(told.uid)}`, told.queue_id, "open")));
  made.className = "fresh";
  return made;
}

function follow(button) {
  const live = document.querySelector("#live");
  const known = new Set([...rows.querySelectorAll("a.open")].map((each) => each.getAttribute("href")));
  let source = null;
  let count = 0;
  const stop = (text) => {
    if (source) source.close();
    source = null;
    button.setAttribute("aria-pressed", "false");
    live.textContent = text;
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    if (source) {
      stop("");
      return;
    }
    source = new EventSource(button.dataset.stream);
    button.setAttribute("aria-pressed", "true");
    live.textContent = "Following: new messages appear at the top.";
    source.onmessage = (event) => {
      const told = JSON.parse(event.data);
      const path = `/messages/${encodeURIComponent(told.uid)}`;
      if (known.has(path)) return;
      known.add(path);
      rows.parentElement.hidden = false;
      rows.prepend(row(told));
      while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
      count += 1;
      live.textContent = `Following: ${count} new.`;
    };
    source.addEventListener("trouble", (event) => { live.textContent = JSON.parse(event.data); });
    source.addEventListener("over", (event) => stop(JSON.parse(event.data)));
    source.onerror = () => {
      if (source && source.readyState === EventSource.CLOSED) stop("The console does not answer, or too many follow.");
    };
  });
}

function copy(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser refuses";
    }
  });
}

function step(by) {
  const all = [...document.querySelectorAll("main table tbody tr")].filter((each) => each.querySelector("a"));
  if (!all.length) return;
  const at = all.findIndex((each) => each.classList.contains("here"));
  const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
  if (at >= 0) all[at].classList.remove("here");
  next.classList.add("here");
  (next.querySelector("a.open") || next.querySelector("a")).focus();
}

let isGoing = false;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea")) return;
  const there = isGoing && document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
  isGoing = event.key === "g";
  if (there) there.click();
  else if (event.key === "/") document.querySelector("#q").focus();
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "?") document.querySelector("#keys").open = true;
  else return;
  event.preventDefault();
});

const button = document.querySelector("#follow");
if (button && window.EventSource) follow(button);
if (navigator.clipboard) document.querySelectorAll("button.copy").forEach(copy);
