/* Buttons of the test cards. They fill in the card form of the page. The checkout has no
   card form: the choice (its name, not the number) is stored in this tab for the card
   page. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-card], form#card");
  var buttons = document.querySelectorAll(".fill button");
  var STORE = "demo ending";

  /* two cards may have the same ending */
  function nameOf(button) { return button.dataset.ending + " " + button.dataset.brand; }

  function press(chosen) {
    buttons.forEach(function (button) {
      button.setAttribute("aria-pressed", button === chosen ? "true" : "false");
    });
  }

  function put(name, value) {
    var field = form.elements[name];
    field.value = value;
    ["input", "change"].forEach(function (kind) {
      field.dispatchEvent(new Event(kind, { bubbles: true }));
    });
  }

  function fill(button) {
    var name = form.elements.cardholder_name;
    var known = form.elements.name ? form.elements.name.value : "";
    if (!name.value) put("cardholder_name", known || "Demo Shopper");
    put("card_number", button.dataset.number);
    put("expiry", button.dataset.expiry);
    put("security_code", button.dataset.code);
    press(button);
  }

  buttons.forEach(function (button) {
    button.addEventListener("click", function () {
      if (!form) {
        sessionStorage.setItem(STORE, nameOf(button));
        press(button);
        return;
      }
      fill(button);
      var pay = form.querySelector("button[type=submit], button.button");
      if (pay) {
        pay.focus({ preventScroll: true });
        pay.scrollIntoView({ block: "nearest" });
      }
    });
  });

  /* after the card page's own script, which groups the digits */
  document.addEventListener("DOMContentLoaded", function () {
    var stored = sessionStorage.getItem(STORE);
    var chosen = Array.prototype.filter.call(buttons, function (button) {
      return nameOf(button) === stored;
    })[0];
    if (!chosen || (form && form.id === "card")) return;
    if (!form) return press(chosen);
    sessionStorage.removeItem(STORE);
    fill(chosen);
  });
  /* the card page clears its form when it is left: release the buttons */
  window.addEventListener("pagehide", function () { if (form) press(null); });
})();
