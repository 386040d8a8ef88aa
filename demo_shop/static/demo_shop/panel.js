/* Panel: polls its part of the page, more slowly while nothing changes, and not at all
   while the page is hidden or the panel closed. The server renders the HTML. Without this
   file: reload the page. */
(function () {
  "use strict";
  var panel = document.querySelector("[data-panel]");
  if (!panel) return;
  var place = panel.querySelector("[data-trace]");
  var SOON = 1000, LATE = 10000, STORE = "demo panel";
  var pause = SOON, tag = "", timer = null, asking = false;

  function schedule() {
    window.clearTimeout(timer);
    if (!document.hidden && panel.open) timer = window.setTimeout(poll, pause);
  }

  function pollNow() {
    pause = SOON;
    poll();
  }

  function poll() {
    if (asking || document.hidden || !panel.open) return;
    asking = true;
    window.clearTimeout(timer);
    var request = new XMLHttpRequest();
    request.open("GET", place.dataset.trace);
    request.responseType = "document";
    request.timeout = 8000;
    if (tag) request.setRequestHeader("If-None-Match", tag);
    request.onloadend = function () {
      asking = false;
      var found = request.status === 200 && request.response && request.response.querySelector(".trace");
      if (found) {
        pause = tag ? SOON : pause;
        tag = request.getResponseHeader("ETag") || "";
        show(found);
      } else {
        pause = Math.min(pause * 1.5, LATE);
      }
      schedule();
    };
    request.send();
  }

  function show(found) {
    var before = {};
    place.querySelectorAll("details[data-key]").forEach(function (one) { before[one.dataset.key] = one.open; });
    var inside = document.activeElement.closest ? document.activeElement.closest("[data-trace] [data-key]") : null;
    var key = inside && document.activeElement.tagName === "SUMMARY" ? inside.dataset.key : "";
    found.querySelectorAll("details[data-key]").forEach(function (one) {
      if (one.dataset.key in before) one.open = before[one.dataset.key];
    });
    place.replaceChildren(document.adoptNode(found));
    if (key) {
      var again = place.querySelector("details[data-key='" + key + "'] > summary");
      if (again) again.focus({ preventScroll: true });
    }
    document.querySelectorAll("[data-fault]").forEach(function (banner) {
      banner.hidden = banner.dataset.fault !== found.dataset.currentFault;
    });
  }

  /* do not reload a page with a card form: the typed card would be lost */
  var typing = document.querySelector("form[data-card], form#card");
  panel.querySelectorAll("form[data-quiet]").forEach(function (form) {
    form.addEventListener("submit", function (event) {
      /* the page says that the limit is reached: load it again */
      if (!typing || (event.submitter && event.submitter.value === "limit")) return;
      event.preventDefault();
      var body = new FormData(form);
      if (event.submitter) body.append(event.submitter.name, event.submitter.value);
      fetch(form.action, { method: "POST", body: body, redirect: "manual" }).then(pollNow, pollNow);
    });
  });

  /* keep opened parts open on the next page */
  panel.querySelectorAll("[data-keep]").forEach(function (one) {
    var key = STORE + " " + one.dataset.keep;
    one.open = sessionStorage.getItem(key) === "open";
    one.addEventListener("toggle", function () { sessionStorage.setItem(key, one.open ? "open" : ""); });
  });

  var narrow = window.matchMedia("(max-width: 63.99rem)");
  var kept = null;
  try { kept = localStorage.getItem(STORE); } catch (error) { /* storage is blocked */ }
  if (kept === "closed" && !narrow.matches) panel.open = false;
  /* browsers may report the initial state as a toggle: store changes only */
  var shown = panel.open;
  panel.addEventListener("toggle", function () {
    if (panel.open === shown) return;
    shown = panel.open;
    try { localStorage.setItem(STORE, panel.open ? "open" : "closed"); } catch (error) { /* storage is blocked */ }
    if (panel.open) pollNow();
  });
  document.addEventListener("visibilitychange", function () { if (!document.hidden) pollNow(); });
  schedule();
})();
