/* A card number typed or pasted into the search stays in the browser. */
(function () {
  "use strict";
  function isCard(text) {
    var digits = text.replace(/[ .\-]/g, "");
    if (!/^\d{12,19}$/.test(digits)) return false;
    var sum = 0;
    for (var place = 0; place < digits.length; place += 1) {
      var number = Number(digits[digits.length - 1 - place]) * (place % 2 ? 2 : 1);
      sum += number > 9 ? number - 9 : number;
    }
    return sum % 10 === 0 && !/^\d{18}$/.test(digits);
  }
  document.addEventListener("submit", function (event) {
    var field = event.target.querySelector("input[name=q]");
    if (!field || !isCard(field.value.trim())) return;
    event.preventDefault();
    field.value = "";
    field.setCustomValidity(event.target.dataset.refuseCards || "That looks like a card number.");
    field.reportValidity();
    field.addEventListener("input", function () { field.setCustomValidity(""); }, { once: true });
  }, true);
})();
