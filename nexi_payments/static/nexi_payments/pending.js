/* Poll the status of the payment, with growing pauses; continue when it is final. */
(function () {
  "use strict";
  var box = document.querySelector("[data-poll]");
  if (!box) return;
  var title = box.querySelector("[data-title]");
  var started = Date.now();
  var state = null;

  function schedule() {
    var age = (Date.now() - started) / 1000;
    if (age > 1800) { box.querySelector("[data-stopped]").hidden = false; return; }
    window.setTimeout(poll, age < 20 ? 1500 : age < 120 ? 4000 : 15000);
  }
  function poll() {
    fetch(box.dataset.poll, { headers: { Accept: "application/json" }, cache: "no-store" })
      .then(function (response) { return response.json(); })
      .then(function (now) {
        if (now.final) { window.location.replace(now.next || box.dataset.self); return; }
        if (state !== null && state !== now.state) { window.location.reload(); return; }
        state = now.state;
        if (title.textContent !== now.message) title.textContent = now.message;
        schedule();
      })
      .catch(schedule);
  }
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) window.location.reload();
  });
  window.setTimeout(poll, 1000);
})();
