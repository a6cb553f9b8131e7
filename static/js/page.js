// On every page: what htmx sends carries the token that says it came from a page of ours.

export function csrfToken() {
  return document.querySelector('meta[name="csrf-token"]')?.content ?? "";
}

// An address that is pushed tells what was chosen, not what was left open.
function leaveOutEmpty(parameters) {
  for (const [name, value] of Object.entries(parameters)) if (value === "") delete parameters[name];
}

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = csrfToken();
  if (event.detail.verb === "get") leaveOutEmpty(event.detail.parameters);
});
// A form with a mistake comes back as 422, to be shown like any other answer.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 422) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
// On a bad line nothing comes back: say so where messages stand, instead of leaving the page as if nothing were asked.
for (const [name, text] of [
  ["htmx:sendError", "The shop could not be reached. Look at your connection, then try again."],
  ["htmx:timeout", "The shop took too long to answer. Try again."],
]) {
  document.addEventListener(name, () => say(text));
}

function say(text) {
  const notice = document.createElement("div");
  notice.className = "notice bad";
  notice.append(Object.assign(document.createElement("p"), { textContent: text }));
  document.getElementById("messages").replaceChildren(notice);
}
