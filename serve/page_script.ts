/**
 * The page's script: asks for the part that changes, every two seconds and whenever the filter is
 * changed, and puts it in its place.
 *
 * @module
 */

/** Milliseconds between two questions. */
const AGAIN_MS = 2000;

/** The script, for a browser. */
export const PAGE_SCRIPT = `"use strict";
const form = document.getElementById("filter");
const live = document.getElementById("live");
let shown = "", asked = 0;
async function draw() {
  const query = new URLSearchParams(new FormData(form)).toString();
  const turn = ++asked;
  try {
    const answer = await fetch("/live?" + query, { cache: "no-store" });
    if (!answer.ok) return;
    const text = await answer.text();
    // A later question may have been answered first.
    if (turn !== asked || text === shown) return;
    shown = text;
    live.innerHTML = text;
  } catch {
    // The server is gone; what was shown last stays.
  }
}
form.addEventListener("input", (event) => {
  history.replaceState(null, "", "/?" + new URLSearchParams(new FormData(form)));
  // Another sweep has other models to choose from.
  if (event.target.name === "board") location.reload();
  else draw();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  draw();
});
setInterval(draw, ${AGAIN_MS});
`;
