"use strict";
// Shows problems and answers. Their text is data: it is only ever set as the text of an element.
const problems = JSON.parse(document.getElementById("data").textContent);
const VERDICTS = {
  right: "right",
  wrong: "wrong answer",
  none: "no answer found",
  unverified: "not verified",
  cut: "cut off",
};
const field = (name) => document.getElementById(name);
let current = null;

function element(kind, text, className) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function verdictOf(answer) {
  if (answer.correct === null) return "unverified";
  return answer.correct ? "right" : answer.formatted ? "wrong" : "none";
}

function has(answer, verdict) {
  return !verdict || (verdict === "cut" ? !answer.ended : verdictOf(answer) === verdict);
}

function fill(name, all, options) {
  const before = field(name).value;
  field(name).replaceChildren(new Option(all, ""), ...options.map(([v, text]) => new Option(text, v)));
  if (options.some(([value]) => value === before)) field(name).value = before;
}

function fillLevels() {
  const part = field("part").value;
  const levels = new Map();
  for (const problem of problems) {
    if (!part || problem.part === part) {
      const seen = levels.get(problem.level);
      levels.set(problem.level, seen === undefined ? problem.ood : seen && problem.ood);
    }
  }
  const sorted = [...levels].sort(([a], [b]) => a - b);
  fill("level", "all", sorted.map(([n, ood]) => [String(n), ood ? `${n} (OOD)` : String(n)]));
}

function chosen() {
  const [part, level, verdict] = ["part", "level", "verdict"].map((name) => field(name).value);
  const text = field("text").value.toLowerCase();
  return problems.filter((problem) => {
    if (part && problem.part !== part) return false;
    if (level && String(problem.level) !== level) return false;
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
  const kind = problem.ood ? "out of distribution" : "training";
  const place = `${problem.part}, level ${problem.level} (${kind}), problem ${problem.problem_seed}`;
  const made = [element("h3", place), element("pre", problem.prompt)];
  for (const answer of problem.answers.filter((one) => has(one, field("verdict").value))) {
    const verdict = verdictOf(answer);
    const box = element("div", undefined, `answer ${verdict}`);
    const line = element("p");
    line.append(element("b", VERDICTS[verdict]), ` · sample ${answer.sample}`);
    if (answer.formatted) line.append(` · answer: ${answer.answer}`);
    if (answer.num_tokens !== null) line.append(` · ${Math.round(answer.num_tokens)} tokens`);
    if (!answer.ended) line.append(" · cut off at the token limit");
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
      element("span", `${problem.part.split("/").pop()} ${problem.level} · ${problem.problem_seed}`),
      element("span", `${right}/${problem.answers.length}`, "tally"),
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

const parts = [...new Set(problems.map((problem) => problem.part))];
fill("part", "all", parts.map((part) => [part, part]));
fill("verdict", "all", Object.entries(VERDICTS));
fillLevels();
field("part").addEventListener("change", fillLevels);
for (const name of ["part", "level", "verdict"]) field(name).addEventListener("change", list);
field("text").addEventListener("input", list);
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
list();
