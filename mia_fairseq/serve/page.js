// A time of the course that is clicked moves the player there; the stretch that plays is marked.
document.addEventListener("click", (event) => {
  const part = event.target.closest("button[data-mia-start]");
  if (!part) return;
  const player = part.closest(".mia-course").querySelector("audio, video");
  player.currentTime = Number(part.dataset.miaStart);
  player.play().catch(() => {});
});
for (const name of ["timeupdate", "seeked"]) {
  // Events of players do not rise, so they are caught on their way down.
  document.addEventListener(name, (event) => {
    const course = event.target.closest && event.target.closest(".mia-course");
    if (!course) return;
    const now = event.target.currentTime;
    for (const part of course.querySelectorAll("[data-mia-start]")) {
      const { miaStart, miaEnd } = part.dataset;
      part.classList.toggle("now", Number(miaStart) <= now && now < Number(miaEnd));
    }
  }, true);
}
