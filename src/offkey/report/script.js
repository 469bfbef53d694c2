"use strict";
for (const card of document.querySelectorAll(".card")) {
  const audio = card.querySelector("audio");
  const spectrogram = card.querySelector(".spectrogram");
  const canvas = spectrogram.querySelector(".canvas");
  const playhead = canvas.querySelector(".playhead");
  const duration = Number(spectrogram.dataset.duration);
  if (!audio) {
    canvas.style.cursor = "auto";
    continue;
  }
  const move = () => {
    playhead.hidden = false;
    playhead.style.left = `${Math.min(100, (100 * audio.currentTime) / duration)}%`;
    if (!audio.paused) requestAnimationFrame(move);
  };
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    move();
  });
  audio.addEventListener("seeked", move);
  canvas.addEventListener("click", (event) => {
    const place = canvas.getBoundingClientRect();
    audio.currentTime = (duration * (event.clientX - place.left)) / place.width;
    audio.play();
  });
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
