/* Asks how the payment stands, ever more rarely, and moves on when it is decided. */
(function () {
  "use strict";
  var box = document.querySelector("[data-poll]");
  if (!box) return;
  var title = box.querySelector("[data-title]");
  var started = Date.now();
  var state = null;

  function later() {
    var age = (Date.now() - started) / 1000;
    if (age > 1800) { box.querySelector("[data-stopped]").hidden = false; return; }
    window.setTimeout(ask, age < 20 ? 1500 : age < 120 ? 4000 : 15000);
  }
  function ask() {
    fetch(box.dataset.poll, { headers: { Accept: "application/json" }, cache: "no-store" })
      .then(function (answer) { return answer.json(); })
      .then(function (now) {
        if (now.final) { window.location.replace(now.next || box.dataset.self); return; }
        if (state !== null && state !== now.state) { window.location.reload(); return; }
        state = now.state;
        if (title.textContent !== now.message) title.textContent = now.message;
        later();
      })
      .catch(later);
  }
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) window.location.reload();
  });
  window.setTimeout(ask, 1000);
})();
