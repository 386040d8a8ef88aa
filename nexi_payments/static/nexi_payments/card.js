/* The card page. Works without this file; with it: digits grouped while typing, the
   brand, mistakes named on leaving a field, one submit, and a form that is empty when
   the browser comes back to it. */
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

  // the brand, for the eye and the ear only: Nexi finds its own
  var BRANDS = [[/^4/, "Visa"], [/^(5[1-5]|2[2-7])/, "Mastercard"], [/^3[47]/, "American Express"],
    [/^3(0[0-5]|6|8|9)/, "Diners Club"], [/^35/, "JCB"], [/^(5[06-9]|6)/, "Maestro"]];
  var brand = form.querySelector("[data-brand]");
  function showBrand() {
    var typed = digits(number.value);
    var found = BRANDS.filter(function (one) { return typed.length > 1 && one[0].test(typed); })[0];
    var name = found ? found[1] : "";
    if (brand && brand.textContent !== name) brand.textContent = name;
  }
  number.addEventListener("input", showBrand);

  function luhn(text) {
    var sum = 0;
    for (var place = 0; place < text.length; place += 1) {
      var digit = Number(text[text.length - 1 - place]) * (place % 2 ? 2 : 1);
      sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10 === 0;
  }
  // what the server will say, in its words (data-wrong), a moment earlier
  var RIGHT = {
    card_number: function (text) {
      var typed = digits(text);
      return typed.length > 12 && typed.length < 20 && luhn(typed);
    },
    expiry: function (text) {
      var found = /^(\d{1,2})\s*[/\-. ]\s*(?:20)?(\d{2})$|^(\d{2})(?:20)?(\d{2})$/.exec(text.trim());
      if (!found) return false;
      var month = Number(found[1] || found[3]);
      return month > 0 && month < 13;
    },
    security_code: function (text) { return /^\d{3,4}$/.test(text.trim()); }
  };
  function judge(input, wrong) {
    var id = input.id + "_error";
    var line = document.getElementById(id);
    if (wrong && !line) {
      line = document.createElement("p");
      line.className = "nexi-error";
      line.id = id;
      input.parentNode.appendChild(line);
    }
    if (line) line.textContent = wrong ? input.dataset.wrong : "";
    if (wrong) input.setAttribute("aria-describedby", id);
    if (wrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
  // a line that appears between press and release moves the button away from the pointer
  var pressed = false;
  var postponed = [];
  function afterThePress(work) {
    if (pressed) postponed.push(work); else work();
  }
  document.addEventListener("pointerdown", function () { pressed = true; }, true);
  ["pointerup", "pointercancel"].forEach(function (end) {
    document.addEventListener(end, function () {
      pressed = false;
      window.setTimeout(function () {
        postponed.splice(0).forEach(function (work) { work(); });
      }, 0);
    }, true);
  });
  Object.keys(RIGHT).forEach(function (name) {
    var input = form.elements[name];
    if (!input.dataset.wrong) return;
    input.addEventListener("change", function () {
      afterThePress(function () {
        judge(input, input.value !== "" && !RIGHT[name](input.value));
      });
    });
    input.addEventListener("input", function () {
      if (input.getAttribute("aria-invalid") && RIGHT[name](input.value)) judge(input, false);
    });
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
    showBrand();
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
