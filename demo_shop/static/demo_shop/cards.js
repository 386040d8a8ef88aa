/* Buttons of the test cards: they fill in the card form of the page. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-card], form#card");
  var buttons = document.querySelectorAll(".fill button");
  if (!form) return; // the card is entered elsewhere, or not any more

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
      fill(button);
      var pay = form.querySelector("button[type=submit], button.button");
      if (pay) {
        pay.focus({ preventScroll: true });
        pay.scrollIntoView({ block: "nearest" });
      }
    });
  });

  /* the card page clears its form when it is left: release the buttons */
  window.addEventListener("pagehide", function () { press(null); });
})();
