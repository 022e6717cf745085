"use strict";
const tools = document.querySelector(".tools");
const tasks = [...document.querySelectorAll(".task")];
if (tools) {
  tools.hidden = false;
  const [find, unfold, fold] = tools.children;
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const task of tasks) {
      const text = task.firstElementChild.textContent.toLowerCase();
      task.hidden = !words.every((word) => text.includes(word));
    }
  });
  unfold.addEventListener("click", () => tasks.forEach((task) => { task.open = true; }));
  fold.addEventListener("click", () => tasks.forEach((task) => { task.open = false; }));
}
const show = () => {
  const task = document.getElementById(location.hash.slice(1));
  if (task && task.tagName === "DETAILS") {
    task.open = true;
  }
};
addEventListener("hashchange", show);
show();
