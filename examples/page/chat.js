// The chat's page: one WebSocket to /chat on the server that gave the page.
//
// A message is the text "name: text"; a line that starts with "* " is a notice of the server.
// Whatever arrives is put on the page as text, never as markup.

const FIRST_DELAY = 500; // milliseconds before the first attempt to reconnect, then twice as long ...
const LONGEST_DELAY = 8_000; // ... each time, up to this
const LONGEST_LOG = 500; // older messages leave the page

const [state, log, empty, form, nameField, textField, send] = [
  "state", "log", "empty", "form", "name", "text", "send",
].map((id) => document.getElementById(id));

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

let socket = null;
let delay = FIRST_DELAY;
let retry = null;

function connect() {
  clearTimeout(retry);
  show("connecting", "Connecting…");
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(`${scheme}//${location.host}/chat`);
  opened.addEventListener("open", () => {
    delay = FIRST_DELAY;
    show("connected", "Connected");
  });
  opened.addEventListener("message", (event) => add(event.data));
  opened.addEventListener("close", () => {
    if (opened !== socket) return; // another one has taken its place
    show("disconnected", "Disconnected, trying again…");
    // Half of the delay is random: the clients of a restarted server do not return all at once.
    retry = setTimeout(connect, delay / 2 + (delay / 2) * Math.random());
    delay = Math.min(delay * 2, LONGEST_DELAY);
  });
  socket = opened;
}

function show(name, text) {
  state.dataset.state = name;
  state.textContent = text;
  send.disabled = name !== "connected";
}

function add(line) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(line.startsWith("* ") ? notice(line.slice(2)) : message(line));
  if (log.childElementCount > LONGEST_LOG) log.firstElementChild.remove();
  empty.hidden = true;
  if (atEnd) log.scrollTop = log.scrollHeight; // whoever reads further up is left there
}

function notice(text) {
  const item = element("li", "notice", text);
  item.dir = "auto";
  return item;
}

function message(line) {
  const [, name, text] = /^([^:]*): ([^]*)$/.exec(line) ?? [null, "", line];
  const item = element("li", name === ownName() ? "message own" : "message");
  const words = element("p", "text", text);
  words.dir = "auto";
  const head = element("p", "head");
  head.append(element("bdi", "name", name), " ", element("time", "time", clock.format()));
  item.append(head, words);
  return item;
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// The first colon of a message ends the name, so that a name cannot hold one.
function ownName() {
  return nameField.value.replaceAll(":", "").trim();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = textField.value.trim();
  if (!text || !ownName() || socket.readyState !== WebSocket.OPEN) return;
  socket.send(`${ownName()}: ${text}`);
  textField.value = "";
  textField.focus();
});

window.addEventListener("online", () => {
  if (socket.readyState === WebSocket.CLOSED) connect();
});

// A browser may keep a page that is left, for its back button: such a page is not in the chat.
window.addEventListener("pagehide", () => {
  clearTimeout(retry);
  socket.close();
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) connect();
});

nameField.value = `Guest ${100 + Math.floor(900 * Math.random())}`;
connect();
