/* The buttons of the test cards. Where there is a card form they fill it in; on the
   checkout, which has none, the choice (its name, not the number) waits in this tab for
   the card page. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-card], form#card");
  var buttons = document.querySelectorAll(".fill button");
  var STORE = "demo ending";

  /* two cards may end alike */
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
    var waiting = sessionStorage.getItem(STORE);
    var chosen = Array.prototype.filter.call(buttons, function (button) {
      return nameOf(button) === waiting;
    })[0];
    if (!chosen || (form && form.id === "card")) return;
    if (!form) return press(chosen);
    sessionStorage.removeItem(STORE);
    fill(chosen);
  });
  /* the card page empties its form when it is left: no button is pressed then */
  window.addEventListener("pagehide", function () { if (form) press(null); });
})();
