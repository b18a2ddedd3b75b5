"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const rows = all("tr[data-row]");
  if (rows.length === 0) return;
  const card = document.querySelector(".card .content");
  const place = document.querySelector(".card .place");
  const bands = all(".band");
  const steps = all("svg .step[data-step]");
  const arrows = all(".arrow[data-from]");
  const diagram = document.querySelector(".diagram");
  let chosen = -1;

  const mark = (name, at) => {
    for (const list of [rows, bands, steps]) list.forEach((one, index) => one.classList.toggle(name, index === at));
  };
  const element = (tag, name, text) => {
    const made = document.createElement(tag);
    made.className = name;
    made.textContent = text;
    return made;
  };

  // The card repeats the row of the table, so every text is in the page once and stays escaped.
  const fill = (at) => {
    const row = rows[at];
    const copy = (selector) => [...row.querySelectorAll(selector)].map((one) => one.cloneNode(true));
    card.replaceChildren();
    const who = element("p", "who", "");
    who.append(...copy(".actor"));
    card.append(who, ...copy(".action"), ...copy(".text"));
    const section = (title, parts) => {
      if (parts.length === 0) return;
      const holder = element("div", "changes", "");
      holder.append(...parts);
      card.append(element("h3", "", title), holder);
    };
    section("Received", copy(".received"));
    section("Sent", copy(".sent"));
    section("Memory", copy(".memory ul"));
    section("Disk", copy(".disk ul"));
    place.textContent = `step ${at + 1} of ${rows.length}`;
  };

  const show = (at) => {
    fill(at);
    const mine = (arrow) => [arrow.dataset.from, arrow.dataset.until].includes(String(at));
    arrows.forEach((arrow) => arrow.classList.toggle("on", mine(arrow)));
    diagram.classList.toggle("focus", arrows.some(mine));
  };

  const choose = (at, scroll) => {
    chosen = Math.max(0, Math.min(rows.length - 1, at));
    mark("on", chosen);
    show(chosen);
    if (scroll) bands[chosen].scrollIntoView({ block: "center", behavior: "smooth" });
    history.replaceState(null, "", `#step-${chosen + 1}`);
  };

  for (const list of [bands, rows]) {
    list.forEach((one, at) => {
      one.addEventListener("click", () => choose(at, list === rows));
      one.addEventListener("mouseenter", () => { mark("hover", at); if (list === bands) show(at); });
      one.addEventListener("mouseleave", () => {
        mark("hover", -1);
        if (chosen >= 0) show(chosen);
      });
    });
  }
  all("[data-go]").forEach((button) => {
    button.addEventListener("click", () => choose(chosen + Number(button.dataset.go), true));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const to = { ArrowUp: chosen - 1, ArrowDown: chosen + 1, k: chosen - 1, j: chosen + 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to, true);
  });

  document.documentElement.classList.add("js");
  const linked = /^#step-(\d+)$/.exec(location.hash);
  if (linked) choose(Number(linked[1]) - 1, true);
  else { chosen = rows.length - 1; fill(chosen); mark("on", chosen); }
})();
