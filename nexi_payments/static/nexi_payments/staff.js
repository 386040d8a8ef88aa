/* Copy the link, print the receipt, prevent a second submit. The pages work without this
   file. */
(function () {
  "use strict";
  document.querySelectorAll("[data-copy]").forEach(function (button) {
    var field = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.addEventListener("click", function () {
      field.select();
      var done = function () { button.textContent = button.dataset.done; };
      if (navigator.clipboard) navigator.clipboard.writeText(field.value).then(done, function () {});
      else if (document.execCommand("copy")) done();
    });
  });
  document.querySelectorAll("[data-copy-value]").forEach(function (button) {
    if (!navigator.clipboard) return; // the value can be selected beside it
    button.hidden = false;
    button.addEventListener("click", function () {
      var done = function () { button.textContent = button.dataset.done; };
      navigator.clipboard.writeText(button.dataset.copyValue).then(done, function () {});
    });
  });
  document.querySelectorAll("[data-print]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.print(); });
  });
  // The server acts once in any case. The button stays enabled, for the browser's Back.
  document.querySelectorAll("form[data-once]").forEach(function (form) {
    form.addEventListener("submit", function (event) {
      if (form.getAttribute("aria-busy")) { event.preventDefault(); return; }
      form.setAttribute("aria-busy", "true");
    });
    window.addEventListener("pageshow", function () { form.removeAttribute("aria-busy"); });
  });
})();
