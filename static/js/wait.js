// The page of a payment: looks every few seconds how it stands, and shows it when that has changed.

const QUICK = 2000, SLOW = 5000, WHEN_AWAY = 10000;
const QUICK_LOOKS = 30;
let looks = 0;

function box() {
  return document.getElementById("payment");
}

async function look() {
  const { from, state } = box().dataset;
  const answer = await fetch(`${from}?seen=${encodeURIComponent(state)}`, { headers: { Accept: "text/html" } });
  if (answer.redirected) return location.reload();
  if (answer.status === 200) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    box().replaceWith(page.getElementById("payment"));
    document.title = `${box().querySelector("h1").textContent} – Duka`;
  }
}

async function goOn() {
  if (!("looksAgain" in box().dataset)) return;
  let pause = looks++ < QUICK_LOOKS ? QUICK : SLOW;
  if (!document.hidden) {
    try {
      await look();
    } catch {
      pause = WHEN_AWAY; // the network is away: it comes back
    }
  }
  setTimeout(goOn, pause);
}

setTimeout(goOn, QUICK / 2);
