"use strict";

const box = document.getElementById("box");
const hint = document.getElementById("hint");
const digit = document.getElementById("digit");
const message = document.getElementById("message");
const seen = document.getElementById("seen");
const bars = [...document.getElementById("bars").children];
const SIZE = box.viewBox.baseVal.width;

// Each stroke is a list of points [x, y], from 0 to SIZE - 1, and a line in the box
let strokes = [];
let line = null;
let isAsking = false;
let hasChanged = false;

function place(event) {
  const edges = box.getBoundingClientRect();
  const scaled = [
    ((event.clientX - edges.left) / edges.width) * SIZE,
    ((event.clientY - edges.top) / edges.height) * SIZE,
  ];
  return scaled.map((value) => Math.min(Math.max(Math.floor(value), 0), SIZE - 1));
}

function begin(event) {
  // Not with a second finger, nor with the mouse's other buttons
  if (!event.isPrimary || event.button !== 0) return;
  box.setPointerCapture(event.pointerId);
  line = document.createElementNS(box.namespaceURI, "polyline");
  box.append(line);
  strokes.push([]);
  hint.hidden = true;
  move(event);
}

function move(event) {
  if (line === null || !event.isPrimary) return;
  const stroke = strokes.at(-1);
  const [x, y] = place(event);
  const last = stroke.at(-1);
  if (last && Math.hypot(x - last[0], y - last[1]) < 2) return;
  stroke.push([x, y]);
  // The first point stands there twice, because a line of one point would not be seen
  line.setAttribute("points", [stroke[0], ...stroke].join(" "));
  read();
}

function end() {
  if (line === null) return;
  line = null;
  settle();
}

function clear() {
  strokes = [];
  line = null;
  box.replaceChildren();
  hint.hidden = false;
  show({ problem: "" });
}

// One question at a time: what was drawn meanwhile is asked next
async function read() {
  hasChanged = true;
  if (isAsking) return;
  isAsking = true;
  settle();
  while (hasChanged && strokes.length) {
    hasChanged = false;
    const answer = await ask();
    if (strokes.length) show(answer);
  }
  isAsking = false;
  settle();
}

// A screen reader says the result once the pen is up and the last answer is there
function settle() {
  message.setAttribute("aria-busy", line !== null || isAsking);
}

async function ask() {
  try {
    const response = await fetch("/read", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ strokes }),
    });
    if (response.status === 413) return { problem: "Too many strokes. Clear them, and draw one digit." };
    if (!response.ok) throw new Error(response.statusText);
    return await response.json();
  } catch {
    return { problem: "No answer. Is kit draw still running?" };
  }
}

function show({ problem, digit: likeliest, probabilities, image }) {
  const isRead = problem === undefined;
  digit.textContent = isRead ? likeliest : "";
  message.textContent = isRead
    ? `This is a ${likeliest}, ${percent(probabilities[likeliest], 1)} sure.`
    : problem;
  seen.hidden = !isRead;
  if (isRead) seen.src = image;
  bars.forEach((row, i) => {
    row.classList.toggle("likeliest", i === likeliest);
    row.querySelector(".share").textContent = isRead ? percent(probabilities[i], 0) : "";
    row.querySelector(".bar").style.height = isRead ? percent(probabilities[i], 2) : 0;
  });
}

function percent(share, digits) {
  return `${(100 * share).toFixed(digits)}%`;
}

box.addEventListener("pointerdown", begin);
box.addEventListener("pointermove", move);
box.addEventListener("pointerup", end);
box.addEventListener("pointercancel", end);
document.getElementById("clear").addEventListener("click", clear);
clear();
