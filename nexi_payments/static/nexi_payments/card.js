/* The card page. Works without this file; with it: digits grouped while typing, one
   submit, and a form that is empty when the browser comes back to it. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-card]");
  if (!form) return;
  var number = form.elements.card_number;
  var expiry = form.elements.expiry;
  var button = form.querySelector("button[type=submit]");
  var label = button.textContent;

  function digits(text) { return text.replace(/\D/g, ""); }

  function rewrite(input, format) {
    var before = digits(input.value.slice(0, input.selectionStart)).length;
    var text = format(digits(input.value));
    if (text === input.value) return;
    input.value = text;
    var place = 0;
    for (var seen = 0; place < text.length && seen < before; place += 1) {
      if (/\d/.test(text[place])) seen += 1;
    }
    input.setSelectionRange(place, place);
  }

  number.addEventListener("input", function () {
    rewrite(number, function (text) {
      text = text.slice(0, 19);
      if (/^3[47]/.test(text)) return text.replace(/^(\d{4})(\d{1,6})?(\d+)?$/, function (all, a, b, c) {
        return [a, b, c].filter(Boolean).join(" ");
      });
      return text.replace(/(\d{4})(?=\d)/g, "$1 ");
    });
  });
  expiry.addEventListener("input", function (event) {
    if (event.inputType && event.inputType.indexOf("delete") === 0) return;
    if (/^\d{4}$/.test(expiry.value)) expiry.value = expiry.value.slice(0, 2) + "/" + expiry.value.slice(2);
  });

  form.addEventListener("submit", function (event) {
    if (button.disabled) { event.preventDefault(); return; }
    button.disabled = true;
    button.textContent = button.dataset.busy;
    form.setAttribute("aria-busy", "true");
  });
  function empty() {
    form.reset();
    [number, expiry, form.elements.security_code].forEach(function (input) { input.value = ""; });
  }
  // nobody is typing any more: what was entered does not stay on the screen
  var minutes = Number(form.dataset.minutes || 10);
  var note = document.querySelector("[data-idle]");
  var timer = null;
  function wait() {
    window.clearTimeout(timer);
    timer = window.setTimeout(function () {
      if (form.getAttribute("aria-busy") || !(number.value || form.elements.security_code.value)) return;
      empty();
      if (note) note.hidden = false;
    }, minutes * 60000);
  }
  form.addEventListener("input", function () { if (note) note.hidden = true; wait(); });
  // no-store does not keep a page out of the back-forward memory: empty it ourselves
  window.addEventListener("pagehide", function () {
    empty();
    button.disabled = false;
    button.textContent = label;
    form.removeAttribute("aria-busy");
  });
  var focus = document.querySelector("[data-focus]");
  if (focus) focus.focus();
})();
