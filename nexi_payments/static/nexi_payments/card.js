/* Card page. It works without this file. The script groups digits, shows the brand, shows
   errors when a field loses focus and before the card is sent, prevents a second submit,
   and clears the form when the page is left. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-card]");
  if (!form) return;
  var number = form.elements.card_number;
  var expiry = form.elements.expiry;
  var button = form.querySelector("button[type=submit]");
  var label = button.textContent;

  // as the server folds it: ASCII digits, no invisible characters
  function fold(text) {
    return text.normalize("NFKC").replace(/[\u0660-\u0669\u06f0-\u06f9]/g, function (digit) {
      return digit.charCodeAt(0) & 15;
    }).replace(/[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g, "");
  }
  function digits(text) { return fold(text).replace(/\D/g, ""); }

  function rewrite(input, format) {
    var before = digits(input.value.slice(0, input.selectionStart)).length;
    var text = format(digits(input.value));
    if (text === input.value) return;
    input.value = text;
    var place = 0;
    for (var count = 0; place < text.length && count < before; place += 1) {
      if (/\d/.test(text[place])) count += 1;
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

  // for display only: Nexi determines the brand itself
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
  var SEPARATORS = /[\s.\-\u00b7\u2010-\u2015\u2022\u2212_]+/g;
  // The checks of the server, with its texts: each returns the name of one, or "".
  // data-earliest is the server's month (YYMM): the clock of this computer may be wrong.
  function is(right) { return right ? "" : "error"; }
  var VALIDATORS = {
    card_number: function (text) {
      var typed = digits(text);
      return is(typed.length > 12 && typed.length < 20 && luhn(typed));
    },
    expiry: function (text) {
      var found = /^(\d{1,2})[\s/.,\-\u2010-\u2015\u2212]+(?:20)?(\d{2})$|^(\d{2})(?:20)?(\d{2})$/.exec(fold(text).trim());
      var month = found ? Number(found[1] || found[3]) : 0;
      if (month < 1 || month > 12) return "error";
      var last = Number(found[2] || found[4]) * 100 + month;
      return last < Number(expiry.dataset.earliest || 0) ? "expired" : "";
    },
    security_code: function (text) {
      var found = /^(\d{3,4})$/.exec(fold(text).replace(SEPARATORS, ""));
      if (!found) return "error";
      return is(!number.value || (found[1].length === 4) === /^3[47]/.test(digits(number.value)));
    }
  };
  function problem(input) {
    var blank = input.type !== "checkbox" && !input.value.trim();
    if (input.required && (blank || input.validity.valueMissing)) return "missing";
    return input.value && VALIDATORS[input.name] ? VALIDATORS[input.name](input.value) : "";
  }
  function showError(input, found) {
    var id = input.id + "_error";
    var line = document.getElementById(id);
    if (found && !line) {
      line = document.createElement("p");
      line.className = "nexi-error";
      line.id = id;
      (input.closest(".nexi-field") || input.parentNode).appendChild(line);
    }
    if (line) line.textContent = found ? input.dataset[found] || input.dataset.error : "";
    if (!found) { input.removeAttribute("aria-invalid"); return; }
    var about = (input.getAttribute("aria-describedby") || "").split(" ");
    if (about.indexOf(id) < 0) input.setAttribute("aria-describedby", about.concat(id).join(" ").trim());
    input.setAttribute("aria-invalid", "true");
  }
  // An error line that appears between press and release would move the button away.
  var pressed = false;
  var postponed = [];
  function afterPress(work) {
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
  var inputs = Array.prototype.filter.call(form.elements, function (input) {
    return input.dataset.missing || VALIDATORS[input.name];
  });
  inputs.forEach(function (input) {
    input.addEventListener("change", function () {
      afterPress(function () { showError(input, input.value && problem(input)); });
    });
    input.addEventListener("input", function () {
      if (input.getAttribute("aria-invalid") && !problem(input)) showError(input, "");
    });
  });

  // A form that comes back from the server has lost the card: first what can be said here.
  form.addEventListener("submit", function (event) {
    if (button.disabled) { event.preventDefault(); return; }
    var wrong = inputs.filter(function (input) {
      var found = problem(input);
      showError(input, found);
      return found;
    });
    if (wrong.length) { event.preventDefault(); wrong[0].focus(); return; }
    button.disabled = true;
    button.textContent = button.dataset.busy;
    form.setAttribute("aria-busy", "true");
  });
  function release() {
    button.disabled = false;
    button.textContent = label;
    form.removeAttribute("aria-busy");
  }
  form.addEventListener("nexi-release", release); // from phone_card.js
  function clear() {
    form.reset();
    [number, expiry, form.elements.security_code].forEach(function (input) { input.value = ""; });
    showBrand();
  }
  // after a pause, remove the entered card data from the screen
  var minutes = Number(form.dataset.minutes || 10);
  var note = document.querySelector("[data-idle]");
  var timer = null;
  function restartTimer() {
    window.clearTimeout(timer);
    timer = window.setTimeout(function () {
      if (form.getAttribute("aria-busy") || !(number.value || form.elements.security_code.value)) return;
      clear();
      if (note) note.hidden = false;
    }, minutes * 60000);
  }
  form.addEventListener("input", function () { if (note) note.hidden = true; restartTimer(); });
  // no-store does not keep pages out of the back/forward cache: clear the form
  window.addEventListener("pagehide", function () {
    clear();
    release();
  });
  var focus = document.querySelector("[data-focus]");
  if (focus) focus.focus();
})();
