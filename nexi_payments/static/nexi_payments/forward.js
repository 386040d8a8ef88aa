/* Submit the form of the page on load. Without this script its button does so. If Back
   restores this page from the back/forward cache: go to the card page, or reload. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-autosubmit]");
  window.addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    if (form && form.dataset.back) window.location.replace(form.dataset.back);
    else if (!form) window.location.reload();
  });
  if (form) form.submit();
})();
