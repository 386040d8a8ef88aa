/* The panel: asks for its own part of the page again and again, more slowly while nothing
   happens, and not at all while nobody looks. It is HTML made by the server; nothing here
   writes HTML. Works without this file: reload the page. */
(function () {
  "use strict";
  var panel = document.querySelector("[data-panel]");
  if (!panel) return;
  var place = panel.querySelector("[data-story]");
  var SOON = 1000, LATE = 10000, STORE = "demo panel";
  var pause = SOON, tag = "", timer = null, asking = false;

  function later() {
    window.clearTimeout(timer);
    if (!document.hidden && panel.open) timer = window.setTimeout(look, pause);
  }

  function soon() {
    pause = SOON;
    look();
  }

  function look() {
    if (asking) return;
    asking = true;
    window.clearTimeout(timer);
    var request = new XMLHttpRequest();
    request.open("GET", place.dataset.story);
    request.responseType = "document";
    request.timeout = 8000;
    if (tag) request.setRequestHeader("If-None-Match", tag);
    request.onloadend = function () {
      asking = false;
      var found = request.status === 200 && request.response && request.response.querySelector(".story");
      if (found) {
        pause = tag ? SOON : pause;
        tag = request.getResponseHeader("ETag") || "";
        show(found);
      } else {
        pause = Math.min(pause * 1.5, LATE);
      }
      later();
    };
    request.send();
  }

  function show(found) {
    var before = {};
    place.querySelectorAll("details[data-key]").forEach(function (one) { before[one.dataset.key] = one.open; });
    var inside = document.activeElement.closest ? document.activeElement.closest("[data-story] [data-key]") : null;
    var key = inside && document.activeElement.tagName === "SUMMARY" ? inside.dataset.key : "";
    found.querySelectorAll("details[data-key]").forEach(function (one) {
      if (one.dataset.key in before) one.open = before[one.dataset.key];
    });
    place.replaceChildren(document.adoptNode(found));
    if (key) {
      var again = place.querySelector("details[data-key='" + key + "'] > summary");
      if (again) again.focus({ preventScroll: true });
    }
    document.querySelectorAll("[data-weather]").forEach(function (banner) {
      banner.hidden = banner.dataset.weather !== found.dataset.fault;
    });
  }

  /* a page where a card is being typed is not loaded anew */
  var typing = document.querySelector("form[data-card], form#card");
  panel.querySelectorAll("form[data-quiet]").forEach(function (form) {
    form.addEventListener("submit", function (event) {
      if (!typing) return;
      event.preventDefault();
      var body = new FormData(form);
      if (event.submitter) body.append(event.submitter.name, event.submitter.value);
      fetch(form.action, { method: "POST", body: body, redirect: "manual" }).then(soon, soon);
    });
  });

  /* what was opened stays open on the next page */
  panel.querySelectorAll("[data-keep]").forEach(function (one) {
    var key = STORE + " " + one.dataset.keep;
    one.open = sessionStorage.getItem(key) === "open";
    one.addEventListener("toggle", function () { sessionStorage.setItem(key, one.open ? "open" : ""); });
  });

  var narrow = window.matchMedia("(max-width: 63.99rem)");
  var kept = null;
  try { kept = localStorage.getItem(STORE); } catch (error) { /* not allowed to remember */ }
  if (kept === "closed" && !narrow.matches) panel.open = false;
  panel.addEventListener("toggle", function () {
    try { localStorage.setItem(STORE, panel.open ? "open" : "closed"); } catch (error) { /* then not */ }
    if (panel.open) soon();
  });
  document.addEventListener("visibilitychange", function () { if (!document.hidden) soon(); });
  later();
})();
