"use strict";
// Shows problems and answers. Their text is data: it is only ever set as the text of an element.
const problems = JSON.parse(document.getElementById("data").textContent);
const field = (name) => document.getElementById(name);
const chosenOf = (name) => field(name)?.value ?? "";
const selects = [...document.querySelectorAll(".filters select")];
const verdicts = new Map([...(field("verdict")?.options ?? [])].map((one) => [one.value, one.text]));
let current = null;

function element(kind, text, className) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function verdictOf(answer) {
  if (!("correct" in answer)) return "";
  if (answer.correct === null) return "unverified";
  return answer.correct ? "right" : answer.formatted ? "wrong" : "none";
}

function has(answer, verdict) {
  return !verdict || (verdict === "cut" ? answer.ended === false : verdictOf(answer) === verdict);
}

function fillLevels() {
  if (!field("level")) return;
  const [part, before] = [chosenOf("part"), chosenOf("level")];
  const levels = new Map();
  for (const problem of problems) {
    if ((!part || problem.part === part) && problem.level !== null) {
      const seen = levels.get(problem.level);
      levels.set(problem.level, seen === undefined ? problem.ood : seen && problem.ood);
    }
  }
  const sorted = [...levels].sort(([a], [b]) => a - b);
  const options = sorted.map(([n, ood]) => new Option(ood ? `${n} (OOD)` : String(n), String(n)));
  field("level").replaceChildren(new Option("all", ""), ...options);
  if (levels.has(Number(before))) field("level").value = before;
}

function chosen() {
  const wanted = selects.filter((one) => one.value && one.id !== "verdict");
  const [verdict, text] = [chosenOf("verdict"), field("text").value.toLowerCase()];
  return problems.filter((problem) => {
    if (!wanted.every((one) => String(problem[one.id]) === one.value)) return false;
    const fitting = problem.answers.filter((answer) => has(answer, verdict));
    if (!fitting.length) return false;
    if (!text || problem.prompt.toLowerCase().includes(text)) return true;
    return fitting.some((answer) => answer.completion.toLowerCase().includes(text));
  });
}

function show(problem) {
  current = problem;
  const shown = field("shown");
  if (!problem) {
    shown.replaceChildren(element("p", "Nothing fits.", "note"));
    return;
  }
  const made = [element("h3", problem.title), element("pre", problem.prompt)];
  for (const answer of problem.answers.filter((one) => has(one, chosenOf("verdict")))) {
    const verdict = verdictOf(answer);
    const box = element("div", undefined, `answer ${verdict}`);
    const line = element("p");
    line.append(element("b", verdict ? verdicts.get(verdict) : "answer"));
    if (answer.sample !== undefined) line.append(` · sample ${answer.sample}`);
    if (answer.formatted && answer.answer !== undefined) line.append(` · answer: ${answer.answer}`);
    if (typeof answer.reward === "number") line.append(` · reward ${Number(answer.reward.toFixed(4))}`);
    if (typeof answer.num_tokens === "number") line.append(` · ${Math.round(answer.num_tokens)} tokens`);
    if (answer.ended === false) line.append(" · cut off at the token limit");
    box.append(line, element("pre", answer.completion || "(empty)"));
    made.push(box);
  }
  shown.replaceChildren(...made);
  for (const button of field("list").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.problem === problem));
  }
}

function list() {
  const found = chosen();
  const rows = found.map((problem) => {
    const right = problem.answers.filter((answer) => answer.correct).length;
    const button = element("button");
    button.type = "button";
    button.problem = problem;
    button.append(
      element("span", problem.label),
      element("span", problem.tally ?? `${right}/${problem.answers.length}`, "tally"),
    );
    button.addEventListener("click", () => show(problem));
    const row = element("li");
    row.append(button);
    return row;
  });
  field("list").replaceChildren(...rows);
  field("count").textContent = `${found.length} of ${problems.length} problems`;
  show(found.includes(current) ? current : found[0]);
}

fillLevels();
field("part")?.addEventListener("change", fillLevels);
for (const one of selects) one.addEventListener("change", list);
field("text").addEventListener("input", list);
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
list();
