/* Posts the one form of the page on load. The visible button does the same without us.
   Back from the bank brings this page from memory: go to where it makes sense. */
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
