// Plinth: what pages do better with a script. Nothing here is needed: every page works without it.
(() => {
  "use strict";
  const root = document.documentElement;
  const THEME = "plinth-theme";
  root.classList.add("js");

  // Where the server wants to hear of it: what went wrong on which line. Never what somebody entered, nor the part of an address
  // behind its `?`. Each error is told once, and a page that fails over and over soon falls silent.
  const MAX_REPORTS = 5;
  const MAX_MESSAGE = 500;
  const reported = new Set();
  const report = (error, message, file, line, column) => {
    const text = String(message || "an error without a message").slice(0, MAX_MESSAGE);
    const source = file ? new URL(file, location.href).pathname : null;
    const key = `${text} ${source} ${line} ${column}`;
    if (reported.size >= MAX_REPORTS || reported.has(key)) return;
    reported.add(key);
    const told = { kind: error?.name || null, message: text, source, line: line || null, column: column || null, page: location.pathname };
    navigator.sendBeacon(root.dataset.errorReports, new Blob([JSON.stringify(told)], { type: "application/json" }));
  };
  if (root.dataset.errorReports) {
    addEventListener("error", (event) => report(event.error, event.message, event.filename, event.lineno, event.colno));
    addEventListener("unhandledrejection", ({ reason }) => report(reason, reason?.message ?? reason));
  }

  // Storage may be forbidden: then the choice lasts for the page.
  const remembered = () => { try { return localStorage.getItem(THEME); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem(THEME, theme); } catch { /* not remembered */ } };

  const applyTheme = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    const now = root.dataset.theme || "system";
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === now));
    }
  };
  const theme = () => remembered() || root.dataset.theme || "system";
  applyTheme(theme());

  const announce = (text) => {
    let live = document.getElementById("live");
    if (!live) {
      live = document.createElement("div");
      live.id = "live";
      live.className = "sr-only";
      live.setAttribute("role", "status");
      document.body.append(live);
    }
    live.textContent = text;
  };

  const copy = async (button) => {
    const label = button.querySelector("[data-copy-label]");
    let said = "Copied";
    try { await navigator.clipboard.writeText(button.dataset.copy); } catch { said = "Copy failed"; }
    announce(said);
    button.classList.toggle("is-copied", said === "Copied");
    if (label) { label.dataset.was ||= label.textContent; label.textContent = said; }
    clearTimeout(button.copiedTimer);
    button.copiedTimer = setTimeout(() => {
      button.classList.remove("is-copied");
      if (label) label.textContent = label.dataset.was;
    }, 1600);
  };

  const reveal = (button) => {
    const input = document.getElementById(button.dataset.reveal);
    if (!input) return;
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  };

  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!except || !menu.contains(except)) menu.open = false;
    }
  };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    closeMenus(target);
    const button = target.closest("button");
    if (!button) return;
    if (button.dataset.copy !== undefined) copy(button);
    else if (button.dataset.reveal) reveal(button);
    else if (button.dataset.themeChoice) { remember(button.dataset.themeChoice); applyTheme(button.dataset.themeChoice); }
    else if (!("commandForElement" in button) && button.getAttribute("command") === "show-modal") {
      document.getElementById(button.getAttribute("commandfor"))?.showModal();
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.menu[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  const minute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const localTimes = () => {
    for (const time of document.querySelectorAll("time[data-local]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      if (time.dataset.local === "minute") time.textContent = minute.format(at);
      time.title = `${exact.format(at)} (${time.title})`;
      time.removeAttribute("data-local");
    }
  };

  const ready = () => { applyTheme(theme()); localTimes(); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
  document.addEventListener("htmx:after:swap", localTimes);
  // What renews itself rests while nobody sees the page: only a timer asks for anything then. It is renewed as soon as somebody does.
  document.addEventListener("htmx:before:request", (event) => { if (document.hidden) event.preventDefault(); });
})();
