// Forms that are sent once: the button says what happens, and a second click does nothing. Back makes it whole again.

document.addEventListener("submit", (event) => {
  const { once } = event.target.dataset;
  const button = event.target.querySelector("button:not([name])");
  if (!once || !button) return;
  if (button.ariaDisabled === "true") return event.preventDefault();
  button.dataset.says = button.textContent;
  button.textContent = once;
  button.ariaDisabled = "true";
});

addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[data-once] button[data-says]")) {
    button.textContent = button.dataset.says;
    button.ariaDisabled = null;
  }
});
