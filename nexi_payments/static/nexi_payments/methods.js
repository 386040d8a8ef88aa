/* Buttons of payment methods. They work without this file. The script prevents a second
   submit, and reloads a page that Back restores: the payment may have changed. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-methods]");
  if (!form) return;
  var sent = false;
  function allow() { sent = false; form.removeAttribute("aria-busy"); }

  form.addEventListener("submit", function (event) {
    if (sent) { event.preventDefault(); return; }
    sent = true;
    form.setAttribute("aria-busy", "true");
    // the shopper stopped loading, or nothing came: the buttons work again
    window.setTimeout(allow, 15000);
  });
  window.addEventListener("pageshow", function (event) {
    if (event.persisted && sent) window.location.reload();
  });
})();
